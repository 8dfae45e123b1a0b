"""Whether the squared error gathers at one index of an axis: a channel, a token, a head."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from parity.metrics.record import AxisConcentration

Floats = npt.NDArray[np.float64]

# One float64 is kept for each index of a tracked axis. A longer axis (a flat weight, a waveform) is left
# out, so that memory stays bounded; its worst elements are still listed.
TRACKED_AXIS_LIMIT = 2**20


class _Rows(NamedTuple):
    """A flat run of elements cut at the row ends: part of a row, whole rows, part of a row."""

    offset: int
    head: Floats
    body: Floats
    tail: Floats


class AxisSums:
    """Squared error summed onto each axis of a shape, from flat runs of elements in any order."""

    def __init__(self, shape: Sequence[int]):
        self._sizes = [(axis, size) for axis, size in enumerate(shape) if size > 1]
        # Empty until there is an error to add: most comparisons of a run have none.
        self._sums: dict[int, Floats] = {}
        self._exponent = 0

    def add(self, squares: Floats, start: int, exponent: int) -> None:
        """Add squares * 2**exponent, of the elements from flat position `start` on."""
        if exponent != self._exponent and not squares.any():
            return  # Zeros carry no scale: aligning to theirs could wipe out sums that are small but not zero.
        squares = self._aligned(squares, exponent)
        self._begin()
        for axis, size in reversed(self._sizes):
            rows = _cut(squares, start, size)
            if axis in self._sums:
                _add_columns(self._sums[axis], rows)
            squares, start = np.concatenate(list(_row_sums(rows))), start // size

    def merge(self, other: "AxisSums") -> None:
        """Add the sums of another set of elements of the same shape."""
        if not any(sums.any() for sums in other._sums.values()):
            return  # As in `add`: zeros carry no scale.
        self._begin()
        for axis, sums in other._sums.items():
            self._sums[axis] += self._aligned(sums, other._exponent)

    def finish(self) -> tuple[AxisConcentration, ...]:
        """For each tracked axis the index of most squared error; nothing where there is no error."""
        return tuple(_largest(axis, sums) for axis, sums in self._sums.items() if sums.any())

    def _begin(self) -> None:
        if not self._sums:
            self._sums = {axis: np.zeros(size) for axis, size in self._sizes if size <= TRACKED_AXIS_LIMIT}

    def _aligned(self, squares: Floats, exponent: int) -> Floats:
        """Squares as multiples of this object's power of two, which is raised first where it is less."""
        if exponent == self._exponent:
            return squares
        if exponent > self._exponent or not any(sums.any() for sums in self._sums.values()):
            for sums in self._sums.values():
                np.ldexp(sums, self._exponent - exponent, out=sums)
            self._exponent = exponent
        return np.ldexp(squares, exponent - self._exponent)


def _cut(run: Floats, start: int, size: int) -> _Rows:
    offset = start % size
    head = min(-offset % size, run.size)
    whole = (run.size - head) // size * size
    return _Rows(offset, run[:head], run[head : head + whole].reshape(-1, size), run[head + whole :])


def _add_columns(sums: Floats, rows: _Rows) -> None:
    sums[rows.offset : rows.offset + rows.head.size] += rows.head
    if rows.body.size:
        # Unlike `sum`, as quick for short rows as for long ones.
        sums += np.einsum("ij->j", rows.body)
    sums[: rows.tail.size] += rows.tail


def _row_sums(rows: _Rows) -> Iterator[Floats]:
    if rows.head.size:
        yield rows.head.sum(keepdims=True)
    if rows.body.size:
        yield np.einsum("ij->i", rows.body)
    if rows.tail.size:
        yield rows.tail.sum(keepdims=True)


def _largest(axis: int, sums: Floats) -> AxisConcentration:
    index, total = int(sums.argmax()), float(sums.sum())
    share = float(sums[index]) / total if math.isfinite(total) else math.nan
    return AxisConcentration(axis, index, share, share * sums.size)
