"""Cells of bands that are nearly alike are kept as one, so that a file of bands stays small."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from parity.calibrate.bands_file import STEPS, Cell, Row, levels, steps
from parity.calibrate.reading import JUDGED

# A number is kept as at most so many steps (quarters of an octave are two) above what was measured: 19 % of it.
NEARLY = 2

Numbers = npt.NDArray[np.float64]


def shared(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Give rows whose cells are replaced by one of a few that allow no less, and NEARLY no more.

    What had no error has none, and what was not finite stays so.
    """
    listed = list(rows)
    kept = _kept(np.array(sorted({_numbers(cell) for row in listed for cell in row.cells.values()}, reverse=True)))
    found: dict[tuple[float, ...], Cell] = {}

    def cover(cell: Cell) -> Cell:
        numbers = _numbers(cell)
        if numbers not in found:
            found[numbers] = _cell(kept[_covering(kept, np.array(numbers))][0])
        return found[numbers]

    return tuple(replace(row, cells={place: cover(cell) for place, cell in row.cells.items()}) for row in listed)


def _kept(cells: Numbers) -> Numbers:
    """Choose among cells, the largest first, those that none chosen before covers."""
    kept = cells[:0]
    for cell in cells[np.argsort(-np.where(np.isfinite(cells), cells, 0).sum(axis=1), kind="stable")]:
        if not _covering(kept, cell).any():
            kept = np.vstack([kept, cell])
    return kept


def _covering(kept: Numbers, cell: Numbers) -> npt.NDArray[np.bool_]:
    """Say which of the kept cells allow as much as a cell, and hardly more."""
    same = kept == cell
    with np.errstate(invalid="ignore"):
        above = kept - cell
    found: npt.NDArray[np.bool_] = (same | (np.isfinite(above) & (above >= 0) & (above <= NEARLY))).all(axis=1)
    return found


def _numbers(cell: Cell) -> tuple[float, ...]:
    """Give the steps of a cell's numbers, one after the other: minus infinity for 0."""
    return tuple(-math.inf if number == 0 else steps(number) for quantiles in cell for number in quantiles)


def _cell(numbers: Sequence[float]) -> Cell:
    found, rest = [], [2.0 ** (float(number) / STEPS) for number in numbers]
    for column in JUDGED:
        count = len(levels(column))
        found.append(tuple(rest[:count]))
        rest = rest[count:]
    return tuple(found)
