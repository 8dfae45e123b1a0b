"""The band of noise that a reading is told beside: what the reference's own ensemble came out at."""

from dataclasses import dataclass

from parity.calibrate.band import Bands
from parity.calibrate.reading import JUDGED, TRUTH
from parity.errors import IncompleteError

RELATIVE_L2 = JUDGED[0]


@dataclass(frozen=True, slots=True)
class Noise:
    """How far legitimate computations of the reference come out from what a reading is taken against.

    `against` is "truth" or "reference", `runs` how many the ensemble has. `median` is that of their relative L2
    errors, `bounds` what a reading may reach and still be noise, for each of `parity.calibrate.reading.JUDGED`: all but
    the first are relative to the root mean square of the tensor.
    """

    against: str
    runs: int
    median: float
    bounds: tuple[float, ...]

    @property
    def bound(self) -> float:
        """What the relative L2 error may reach."""
        return self.bounds[0]


@dataclass(frozen=True)
class NoiseOf:
    """Looks bands up for the readings of one pass: those of a working precision, against the truth or the reference."""

    bands: Bands
    dtype: str
    against: str = TRUTH

    def find(self, tap: str, mode: str) -> Noise | None:
        """Give the band of a reading, None where it has none; BadInputError where it has two."""
        try:
            found = [self.bands.of(tap, mode, self.dtype, column, self.against) for column in JUDGED]
        except IncompleteError:
            return None
        first = found[0]
        return Noise(self.against, first.runs, first.quantiles[0][1], tuple(band.bound for band in found))
