"""The largest errors met so far, and where they are."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from parity.metrics.record import WorstElement

Floats = npt.NDArray[np.float64]
_BLOCK = 64


class WorstElements:
    """The `count` elements of largest nonzero error; among equal errors the first in row-major order."""

    def __init__(self, count: int):
        self._count = count
        # One row each: flat position (exact in float64 below 2**53), candidate, reference, error.
        self._rows: Floats = np.empty((0, 4))

    def add(self, start: int, candidate: Floats, reference: Floats, error: Floats) -> None:
        """Consider the elements from flat position `start` on."""
        chosen = _largest(error, self._count)
        rows = np.stack((chosen + float(start), candidate[chosen], reference[chosen], error[chosen]), axis=1)
        self._keep(rows)

    def merge(self, other: "WorstElements") -> None:
        """Consider the worst of another set of elements."""
        self._keep(other._rows)

    def finish(self, shape: Sequence[int]) -> tuple[WorstElement, ...]:
        """The worst elements of a tensor of this shape, largest error first."""
        places = [np.unravel_index(int(row[0]), shape) for row in self._rows]
        return tuple(
            WorstElement(tuple(int(index) for index in place), *row[1:].tolist())
            for place, row in zip(places, self._rows, strict=True)
        )

    def _keep(self, rows: Floats) -> None:
        rows = np.concatenate((self._rows, rows))
        order = np.lexsort((rows[:, 0], -rows[:, 3]))
        self._rows = rows[order[: self._count]]


def _largest(error: Floats, count: int) -> npt.NDArray[np.int64]:
    """Indices of the `count` largest nonzero errors, the first of equals."""
    if count == 0 or error.size <= count:
        return np.flatnonzero(error)[:count]
    likely = np.flatnonzero(error >= _lower_bound(error, count))
    among = error[likely]
    bound = np.partition(among, -count)[-count]
    above = likely[among > bound]
    if bound == 0:
        return above
    equal = likely[among == bound][: count - above.size]
    return np.concatenate((above, equal))


def _lower_bound(error: Floats, count: int) -> float:
    """A bound that at least `count` errors reach, without ordering them all."""
    usable = error.size // _BLOCK * _BLOCK
    highest = error[:usable].reshape(-1, _BLOCK).max(axis=1)
    # Each of the `count` highest blocks holds an element that is at least the least of their maxima.
    return float(np.partition(highest, -count)[-count]) if highest.size >= count else 0.0
