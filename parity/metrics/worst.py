"""The largest errors met so far, and where they are."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from parity.metrics.record import WorstElement

Rows = npt.NDArray[np.float64]


class WorstElements:
    """The `count` elements of largest nonzero error; among equal errors the first in row-major order."""

    def __init__(self, count: int):
        self._count = count
        # One row each: flat position (exact in float64 below 2**53), candidate, reference, error.
        self._rows: Rows = np.empty((0, 4))

    @property
    def floor(self) -> float:
        """An error that none can be among the worst without exceeding."""
        if self._count == 0:
            return math.inf
        # An element that equals the least of them may lie before it.
        return math.nextafter(float(self._rows[-1, 3]), 0.0) if len(self._rows) == self._count else 0.0

    def add(self, rows: Rows) -> None:
        """Consider elements that are not among those considered before, one row each (all errors nonzero)."""
        if not len(rows):
            return
        rows = np.concatenate((self._rows, rows)) if len(self._rows) else rows
        order = np.lexsort((rows[:, 0], -rows[:, 3]))
        self._rows = rows[order[: self._count]]

    def merge(self, other: "WorstElements") -> None:
        """Consider the worst of another set of elements."""
        self.add(other._rows)

    def finish(self, shape: Sequence[int]) -> tuple[WorstElement, ...]:
        """The worst elements of a tensor of this shape, largest error first."""
        return tuple(WorstElement(coordinates(int(row[0]), shape), *row[1:]) for row in self._rows.tolist())


def coordinates(position: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Indices on each axis of the element at a flat position in row-major order."""
    found = []
    for size in reversed(shape):
        position, index = divmod(position, size)
        found.append(index)
    return tuple(reversed(found))


def worst_rows(start: int, candidate: Tensor, reference: Tensor, error: Tensor, count: int) -> Rows:
    """The `count` elements of largest nonzero error, the first of equals, of those from flat position `start` on."""
    chosen = _largest(error, count)
    columns = (chosen.to(torch.float64) + start, candidate[chosen], reference[chosen], error[chosen])
    rows: Rows = torch.stack(columns, dim=1).cpu().numpy()
    return rows


def _largest(error: Tensor, count: int) -> Tensor:
    if count == 0 or error.numel() <= count:
        return error.nonzero().flatten()[:count]
    # Which of equal elements topk gives is not defined, so it is only asked for the bound.
    bound = error.topk(count).values[-1]
    above = (error > bound).nonzero().flatten()
    if not bound > 0:
        return above
    equal = (error == bound).nonzero().flatten()[: count - above.numel()]
    return torch.cat((above, equal))
