"""Bands: how far a tap may legitimately be from what it is held against, as measured on an ensemble."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from parity.calibrate.bands_file import BandsFile, Row, levels, read_bands, write_bands
from parity.calibrate.reading import JUDGED, TRUTH
from parity.errors import BadInputError, IncompleteError


@dataclass(frozen=True)
class Band:
    """One figure of one tap in one mode and working precision, over an ensemble of so many runs.

    `quantiles` are (share of the readings, what that share does not exceed), the last of them the most of all. `floor`
    is what one rounding of the tap may make, `ratio` what the most of an ensemble is exceeded by in others. Figures
    are those of `parity.calibrate.reading`: relative to the size of the tensor. `against`: an error against the
    reference in a wider precision (the truth), or against the reference in the working one.
    """

    tap: str
    mode: str
    dtype: str
    figure: str
    quantiles: tuple[tuple[float, float], ...]
    runs: int
    floor: float
    ratio: float = 1.0
    against: str = TRUTH

    @property
    def most(self) -> float:
        """The largest reading of the ensemble."""
        return self.quantiles[-1][1]

    @property
    def bound(self) -> float:
        """What a reading may reach and still be noise."""
        return max(self.ratio * self.most, self.floor)


@dataclass(frozen=True)
class Bands:
    """The bands of one or more files; every lookup finds exactly one band, or is an error."""

    files: tuple[BandsFile, ...]
    _rows: dict[tuple[str, int], list[tuple[BandsFile, Row]]] = field(init=False, repr=False, compare=False)
    _found: dict[tuple[str, str], tuple[BandsFile, Row]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    _parts: dict[tuple[int, ...], "Bands"] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        rows: dict[tuple[str, int], list[tuple[BandsFile, Row]]] = {}
        for file in self.files:
            for row in file.rows:
                rows.setdefault(_drawer(row.tap), []).append((file, row))
        object.__setattr__(self, "_rows", rows)

    @staticmethod
    def load(path: Path) -> "Bands":
        """Read a file of bands; BadInputError where it is missing, malformed or contradicts itself."""
        return Bands((read_bands(path),))

    def save(self, path: Path) -> None:
        """Write the bands of one stage, whole or not at all; BadInputError for those of several."""
        if len(self.files) != 1:
            raise BadInputError(str(path), f"bands of {len(self.files)} stages", "of one", "save each to its own file")
        write_bands(self.files[0], path)

    @staticmethod
    def merged(parts: Iterable["Bands"]) -> "Bands":
        """Put the bands of several stages together."""
        return Bands(tuple(file for part in parts for file in part.files))

    @property
    def provenance(self) -> Mapping[str, Mapping[str, str]]:
        """Say for each stage what its bands were measured with."""
        return {file.stage: file.provenance for file in self.files}

    def for_case(self, case: str, dtype: str, release: str) -> "Bands":
        """Give the bands that a case was calibrated for: in this precision, under this release of the reference.

        The case is named alone, or with its release. Without any, only what has the reference's bits can be told.
        """
        name = case.removesuffix(f"@{release}")
        numbers = tuple(
            number
            for number, file in enumerate(self.files)
            if file.release == release and dtype in file.cases.get(name, {})
        )
        if numbers not in self._parts:
            self._parts[numbers] = Bands(tuple(self.files[number] for number in numbers))
        return self._parts[numbers]

    def of(self, tap: str, mode: str, dtype: str, figure: str, against: str = TRUTH) -> Band:
        """Give the one band of a figure; IncompleteError where there is none, BadInputError where there are more."""
        file, row = self._row(tap, dtype)
        cell = row.cells.get((mode, against))
        if cell is None or figure not in JUDGED:
            raise _missing(f"{tap} ({mode}, {dtype}, {figure} against {against})", "no band")
        at = JUDGED.index(figure)
        return Band(
            tap, mode, dtype, figure, tuple(zip(levels(figure), cell[at], strict=True)), row.runs, row.floors[at],
            file.ratios[dtype][mode, against, figure], against,
        )  # fmt: skip

    def _row(self, tap: str, dtype: str) -> tuple[BandsFile, Row]:
        if (tap, dtype) not in self._found:
            near = self._rows.get(_drawer(tap), [])
            matching = [(file, row) for file, row in near if row.dtype == dtype and fnmatchcase(tap, row.tap)]
            if not matching:
                raise _missing(f"{tap} ({dtype})", "no band")
            if len(matching) > 1:
                rows = ", ".join(row.tap for _, row in matching)
                raise BadInputError(f"{tap} ({dtype})", f"bands {rows}", "exactly one", "narrow the patterns")
            self._found[tap, dtype] = matching[0]
        return self._found[tap, dtype]


def _drawer(tap: str) -> tuple[str, int]:
    """Where to look for a tap's row: patterns keep the stage and the number of parts of a name."""
    return tap.partition(".")[0], tap.count(".")


def _missing(where: str, got: str) -> IncompleteError:
    return IncompleteError(where, got, "a band measured on an ensemble", "calibrate the case: ltx-parity calibrate")
