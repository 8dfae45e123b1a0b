"""NaN and the infinities: counted on each side, then taken out so that the rest can be measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from parity.metrics.exactness import Pair, widened
from parity.metrics.record import NonFinite, NonFiniteCounts
from parity.metrics.worst import coordinates

FINITE, NAN, POSITIVE, NEGATIVE = range(4)


def _no_values() -> list[int]:
    return [0, 0, 0, 0]


@dataclass(slots=True)
class NonFiniteTally:
    """Kinds of values met where either side is not finite: finite, NaN, +inf and -inf of each side.

    `excluded` counts such positions, `first` is the first of them.
    """

    excluded: int = 0
    mismatch: int = 0
    equal_infinities: int = 0
    first: int | None = None
    candidate: list[int] = field(default_factory=_no_values)
    reference: list[int] = field(default_factory=_no_values)

    def merge(self, other: "NonFiniteTally") -> None:
        """Add the counts of another set of elements."""
        if not other.excluded:
            return
        self.excluded += other.excluded
        self.mismatch += other.mismatch
        self.equal_infinities += other.equal_infinities
        self.candidate = [own + more for own, more in zip(self.candidate, other.candidate, strict=True)]
        self.reference = [own + more for own, more in zip(self.reference, other.reference, strict=True)]
        if other.first is not None:
            self.first = other.first if self.first is None else min(self.first, other.first)

    @property
    def has_nan(self) -> bool:
        """Whether a NaN was met on either side."""
        return bool(self.candidate[NAN] or self.reference[NAN])

    def counts(self) -> NonFinite:
        """NaN, +inf and -inf of each side."""
        return NonFinite(NonFiniteCounts(*self.candidate[NAN:]), NonFiniteCounts(*self.reference[NAN:]))

    def place(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """Coordinates of the first element, in row-major order, that is not finite on either side."""
        return None if self.first is None else coordinates(self.first, shape)


class Cleaned(NamedTuple):
    """A pair with 0 on both sides wherever either was not finite, and what was there."""

    pair: Pair
    tally: NonFiniteTally


def take_out(start: int, pair: Pair) -> Cleaned:
    """Count, then put 0 on both sides wherever either is not finite; `start` is the first flat position.

    Equal zeros add nothing to any sum of errors; whoever counts elements subtracts `excluded`.
    """
    left, right = _kinds(widened(pair.candidate)), _kinds(widened(pair.reference))
    bad = (left != FINITE) | (right != FINITE)
    tally = NonFiniteTally(
        excluded=int(bad.sum()),
        mismatch=int((left != right).sum()),
        equal_infinities=int(((left == right) & (left >= POSITIVE)).sum()),
        candidate=torch.bincount(left[bad], minlength=4).tolist(),
        reference=torch.bincount(right[bad], minlength=4).tolist(),
    )
    if tally.excluded:
        tally.first = start + int(bad.to(torch.uint8).argmax())
    return Cleaned(Pair(*(piece.masked_fill(bad, 0) for piece in pair)), tally)


def _kinds(values: Tensor) -> Tensor:
    return values.isnan() * NAN + (values == torch.inf) * POSITIVE + (values == -torch.inf) * NEGATIVE
