"""A reading held against its band."""

from dataclasses import dataclass

from parity.calibrate.band import Band, Bands
from parity.calibrate.reading import COLUMNS, JUDGED, Reading


@dataclass(frozen=True)
class Held:
    """A reading against the band of the figure that it uses most of."""

    reading: float
    band: Band
    same: bool = False

    @property
    def beyond(self) -> bool:
        """Whether it is more than noise: NaN is, the reference's own bits never are."""
        return not (self.same or self.reading <= self.band.bound)

    @property
    def used(self) -> float:
        """The share of the bound that it uses."""
        if self.band.bound > 0:
            return self.reading / self.band.bound
        return float("inf") if self.reading != 0 else 0.0


@dataclass(frozen=True)
class Measure:
    """What readings are held against: bands of a working precision, of errors against the truth or the reference."""

    bands: Bands
    dtype: str
    against: str

    def held(self, tap: str, mode: str, reading: Reading) -> Held:
        """Give the figure of a reading that uses most of its bound; IncompleteError where a band is missing."""
        found = [
            Held(value, self.bands.of(tap, mode, self.dtype, column, self.against), reading.same)
            for column, value in zip(COLUMNS, reading.columns, strict=True)
            if column in JUDGED
        ]
        # Of two figures beyond their bounds the first says more: the error of the whole tensor, then its largest.
        return next((held for held in found if held.beyond), max(found, key=lambda held: held.used))
