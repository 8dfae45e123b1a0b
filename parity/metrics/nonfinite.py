"""NaN and the infinities: counted on each side, then taken out so that the rest can be measured."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from parity.metrics.exactness import Floats, Pair, widened
from parity.metrics.record import NonFinite, NonFiniteCounts

_FINITE, _NAN, _POSITIVE, _NEGATIVE = range(4)


class NonFiniteTally:
    """Kinds of non-finite values met so far on both sides."""

    def __init__(self) -> None:
        self.excluded = 0
        self.mismatch = 0
        self.equal_infinities = 0
        self._candidate = np.zeros(4, np.int64)
        self._reference = np.zeros(4, np.int64)
        self._first: int | None = None

    def take_out(self, start: int, pair: Pair) -> Pair:
        """Count, then put 0 on both sides wherever either is not finite.

        Equal zeros add nothing to any sum of errors; whoever counts elements subtracts `excluded`.
        """
        left, right = _kinds(widened(pair.candidate)), _kinds(widened(pair.reference))
        self._candidate += np.bincount(left, minlength=4)
        self._reference += np.bincount(right, minlength=4)
        self.mismatch += int(np.count_nonzero(left != right))
        self.equal_infinities += int(np.count_nonzero((left == right) & (left >= _POSITIVE)))
        bad = (left != _FINITE) | (right != _FINITE)
        if bad.any():
            self.excluded += int(np.count_nonzero(bad))
            self._note_first(start + int(bad.argmax()))
        mask = torch.from_numpy(bad)
        return Pair(*(piece.masked_fill(mask, 0) for piece in pair))

    def merge(self, other: "NonFiniteTally") -> None:
        """Add the counts of another set of elements."""
        self.excluded += other.excluded
        self.mismatch += other.mismatch
        self.equal_infinities += other.equal_infinities
        self._candidate += other._candidate
        self._reference += other._reference
        if other._first is not None:
            self._note_first(other._first)

    @property
    def has_nan(self) -> bool:
        """Whether a NaN was met on either side."""
        return bool(self._candidate[_NAN] or self._reference[_NAN])

    def counts(self) -> NonFinite:
        """NaN, +inf and -inf of each side."""
        return NonFinite(
            NonFiniteCounts(*self._candidate[_NAN:].tolist()),
            NonFiniteCounts(*self._reference[_NAN:].tolist()),
        )

    def first(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """Coordinates of the first element, in row-major order, that is not finite on either side."""
        if self._first is None:
            return None
        return tuple(int(index) for index in np.unravel_index(self._first, shape))

    def _note_first(self, position: int) -> None:
        self._first = position if self._first is None else min(self._first, position)


def _kinds(values: Floats) -> npt.NDArray[np.int8]:
    kinds = np.zeros(values.size, np.int8)
    kinds[np.isnan(values)] = _NAN
    kinds[values == np.inf] = _POSITIVE
    kinds[values == -np.inf] = _NEGATIVE
    return kinds
