"""What places and names tell of tensors whose values do not tell them apart.

Both are weak evidence, learnt from the pairs that are certain: where certain pairs stand in the same order in both
files, equal tensors are taken in that order too; where parts of names (`block`, `7`, a scrambled word) go together in
certain pairs, they are expected to go together in others.
"""

import itertools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

_PART = re.compile(r"[^\W_]+")
_MOST_ANCHORS_OUT_OF_ORDER = 0.1
_FEWEST = 8


class Context:
    """Evidence from certain pairs, given as (reference's name, candidate's name)."""

    def __init__(self, reference: Sequence[str], candidate: Sequence[str], certain: Sequence[tuple[str, str]]):
        self._own = {name: place for place, name in enumerate(reference)}
        self._other = {name: place for place, name in enumerate(candidate)}
        self._certain = certain
        self._together: Counter[tuple[str, str]] = Counter()
        self._left: Counter[str] = Counter()
        self._right: Counter[str] = Counter()
        for one, other in certain:
            parts, others = set(_PART.findall(one)), set(_PART.findall(other))
            self._left.update(parts)
            self._right.update(others)
            self._together.update((part, name) for part in parts for name in others)

    @cached_property
    def ordered(self) -> bool:
        """Whether certain pairs stand in the same order in both files."""
        places = [self._other[other] for _, other in self._anchors]
        steps = list(itertools.pairwise(places))
        if len(steps) < _FEWEST:
            return False
        return sum(later < earlier for earlier, later in steps) <= _MOST_ANCHORS_OUT_OF_ORDER * len(steps)

    def displacement(self, one: str, other: str) -> float:
        """Give how far a candidate stands from where certain neighbours of a reference's tensor expect it."""
        anchors = self._anchors
        index = bisect_left(self._anchor_places, self._own[one])
        near = anchors[max(index - 1, 0) : index + 1] or anchors[-1:]
        expected = [self._other[b] + (self._own[one] - self._own[a]) for a, b in near]
        return min((abs(self._other[other] - place) for place in expected), default=0.0)

    def kinship(self, one: str, other: str) -> float:
        """Give how well the parts of two names go together: 0 not at all, 1 as in every certain pair."""
        parts, others = set(_PART.findall(one)), set(_PART.findall(other))
        if not parts or not others:
            return 0.0
        return sum(max(self._bond(part, name) for name in others) for part in parts) / len(parts)

    def _bond(self, part: str, other: str) -> float:
        together = self._together[part, other]
        return together / (self._left[part] + self._right[other] - together) if together else 0.0

    @cached_property
    def _anchors(self) -> list[tuple[str, str]]:
        return sorted(self._certain, key=lambda pair: self._own[pair[0]])

    @cached_property
    def _anchor_places(self) -> list[int]:
        return [self._own[one] for one, _ in self._anchors]
