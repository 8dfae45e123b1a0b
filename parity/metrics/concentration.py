"""Whether the squared error gathers at one index of an axis: a channel, a token, a head."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from parity.metrics.record import AxisConcentration
from parity.metrics.scaled import times_power

# One float64 is kept for each index of a tracked axis. A longer axis (a flat weight, a waveform) is left
# out, so that memory stays bounded; its worst elements are still listed.
TRACKED_AXIS_LIMIT = 2**20


class Window(NamedTuple):
    """Squared errors (some not 0) summed onto indices of an axis, from `first` on and around its end.

    `sums` are multiples of 2**exponent.
    """

    axis: int
    first: int
    sums: Tensor
    exponent: int = 0


class AxisSums:
    """Squared error summed onto each axis of a shape, from windows in any order."""

    def __init__(self, shape: Sequence[int]):
        self._sizes = {axis: size for axis, size in enumerate(shape) if 1 < size <= TRACKED_AXIS_LIMIT}
        # Empty until there is an error to add: most comparisons of a run have none.
        self._sums: dict[int, Tensor] = {}
        self._exponent = 0

    def add(self, windows: Sequence[Window]) -> None:
        """Add the windows of one run of elements, all with one exponent."""
        for window in windows:
            self._add(window)

    def merge(self, other: "AxisSums") -> None:
        """Add the sums of another set of elements of the same shape."""
        for axis, sums in other._sums.items():
            self._add(Window(axis, 0, sums, other._exponent))

    def finish(self) -> tuple[AxisConcentration, ...]:
        """For each tracked axis the index of most squared error; nothing where there is no error."""
        found = (_largest(axis, self._sums[axis]) for axis in sorted(self._sums))
        return tuple(entry for entry in found if entry is not None)

    def _add(self, window: Window) -> None:
        size, values = self._sizes[window.axis], self._aligned(window.sums, window.exponent)
        if window.axis not in self._sums:
            self._sums[window.axis] = torch.zeros(size, dtype=torch.float64, device=values.device)
        sums = self._sums[window.axis]
        before_end = min(values.numel(), size - window.first)
        sums[window.first : window.first + before_end] += values[:before_end]
        sums[: values.numel() - before_end] += values[before_end:]

    def _aligned(self, values: Tensor, exponent: int) -> Tensor:
        """Values as multiples of this object's power of two, which is raised first where it is less."""
        if exponent == self._exponent:
            return values
        if exponent > self._exponent or not self._sums:
            self._sums = {axis: times_power(sums, self._exponent - exponent) for axis, sums in self._sums.items()}
            self._exponent = exponent
        return times_power(values, exponent - self._exponent)


def windows_of(squares: Tensor, start: int, exponent: int, shape: Sequence[int]) -> tuple[Window, ...]:
    """Sum the squared errors of a run of elements, the first at flat position `start`, onto each tracked axis.

    The rows of the last axis, summed, are the elements of the tensor that lacks it, and so on to the first.
    """
    found = []
    for axis in reversed(range(len(shape))):
        size = shape[axis]
        if size > 1:
            rows = _cut(squares, start, size)
            if size <= TRACKED_AXIS_LIMIT:
                found.append(_window(axis, rows, size, exponent))
            squares, start = torch.cat(list(_row_sums(rows))), start // size
    return tuple(found)


class _Rows(NamedTuple):
    """A flat run of elements cut at the row ends: part of a row, whole rows, part of a row."""

    offset: int
    head: Tensor
    body: Tensor
    tail: Tensor


def _cut(run: Tensor, start: int, size: int) -> _Rows:
    offset = start % size
    head = min(-offset % size, run.numel())
    whole = (run.numel() - head) // size * size
    return _Rows(offset, run[:head], run[head : head + whole].reshape(-1, size), run[head + whole :])


def _window(axis: int, rows: _Rows, size: int, exponent: int) -> Window:
    if not rows.body.numel() and rows.head.numel() + rows.tail.numel() <= size:
        # Less than one row, perhaps around its end.
        return Window(axis, rows.offset, torch.cat((rows.head, rows.tail)), exponent)
    sums = rows.body.sum(dim=0)
    sums[rows.offset : rows.offset + rows.head.numel()] += rows.head
    sums[: rows.tail.numel()] += rows.tail
    return Window(axis, 0, sums, exponent)


def _row_sums(rows: _Rows) -> Iterator[Tensor]:
    if rows.head.numel():
        yield rows.head.sum(dim=0, keepdim=True)
    if rows.body.numel():
        yield rows.body.sum(dim=1)
    if rows.tail.numel():
        yield rows.tail.sum(dim=0, keepdim=True)


def _largest(axis: int, sums: Tensor) -> AxisConcentration | None:
    total = float(sums.sum())
    if total == 0:
        return None
    index = int(sums.argmax())
    share = float(sums[index]) / total if math.isfinite(total) else math.nan
    return AxisConcentration(axis, index, share, share * sums.numel())
