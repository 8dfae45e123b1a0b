"""Which tensor of one side is which of the other: found by fingerprints, decided by value."""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

import torch
from torch import Tensor

from parity.foreign.files import ForeignFile
from parity.foreign.fingerprint import Fingerprint, fingerprint, level_distance, projected_distance, stacked
from parity.foreign.hypotheses import Layout, best_layout, distance

# A difference that may be one rounding each way is no difference.
_ROUNDINGS = 2.0
# An estimate from projections is right to about a fifth of itself; what may be nearer is looked at.
_SLACK = 2.0
_KEPT_BYTES = 1 << 29


@dataclass(frozen=True)
class Edge:
    """A reference's tensor and a candidate's that are as near as the tolerance asks, and the layout in which."""

    reference: str
    candidate: str
    layout: Layout


@dataclass
class Found:
    """What was found between two files.

    `edges` by the reference's name, `by_candidate` the same by the candidate's; `nearest_other` is, for each name of
    either side, how far the nearest tensor lies that is no edge of it (an estimate, in the units of the tensor).
    """

    edges: dict[str, list[Edge]] = field(default_factory=lambda: defaultdict(list))
    nearest_other: dict[tuple[str, str], float] = field(default_factory=dict)

    by_candidate: dict[str, list[Edge]] = field(default_factory=lambda: defaultdict(list))

    def add(self, edge: Edge) -> None:
        """Add an edge under both its names."""
        self.edges[edge.reference].append(edge)
        self.by_candidate[edge.candidate].append(edge)

    def has(self, reference: str, candidate: str) -> bool:
        """Whether an edge was found between two tensors."""
        return any(edge.candidate == candidate for edge in self.edges.get(reference, ()))


class Side:
    """One side of a search: its file, and the fingerprint of each tensor."""

    def __init__(self, file: ForeignFile):
        self.file = file
        self.prints = {name: fingerprint(name, file.read(name)) for name in file.names}
        self.places = {name: place for place, name in enumerate(file.names)}
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0

    def twins(self, name: str, gap: float) -> list[str]:
        """Give the other tensors of this side that hold the same numbers in the same order, or as good as.

        `gap` is how far the tensor itself lies from its like: what is nearer than three times that is as good.
        """
        one, near = self.prints[name], 3 * gap + 1e-12
        return [
            other.name
            for other in self.prints.values()
            if other.name != name
            and other.finite
            and other.elements == one.elements
            and float(projected_distance(other.projections, one.projections)) <= _SLACK * near
            and distance(self.values(other.name).flatten(), self.values(name).flatten()) <= near
        ]

    def values(self, name: str) -> Tensor:
        """Give a tensor in float64; the last ones that were asked for are kept, within bounded memory."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        found = self._kept[name] = self.file.read(name).double()
        self._bytes += found.nbytes
        while len(self._kept) > 1 and self._bytes > _KEPT_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return found


@dataclass(frozen=True)
class Search:
    """A search of the like of each reference tensor; `tolerance` is relative to a tensor's standard deviation."""

    reference: Side
    candidate: Side
    tolerance: float

    def run(self) -> Found:
        """Find every edge: first among tensors in the same order of elements, then in any for those without one."""
        found = Found()
        for own, others in self._groups():
            self._in_order(own, others, found)
        lone = {name for name in self.reference.prints if name not in found.edges}
        free = {name for name in self.candidate.prints if name not in found.by_candidate}
        self.widen(found, lone, free)
        return found

    def widen(self, found: Found, lone: Set[str], free: Set[str]) -> bool:
        """Look for the like of `lone` tensors of the reference and `free` ones of the candidate in any order.

        Returns whether an edge was found that was not known.
        """
        before = sum(map(len, found.edges.values()))
        for own, others in self._groups():
            if any(one.name in lone for one in own) or any(other.name in free for other in others):
                self._in_any_order(own, others, lone, free, found)
        return sum(map(len, found.edges.values())) > before

    def enough(self, one: Fingerprint, other: Fingerprint) -> float:
        """How far a candidate's tensor may lie from a reference's and still be the same."""
        return max(self.tolerance * one.spread, _ROUNDINGS * max(one.epsilon, other.epsilon) * one.rms)

    def _enough(self, one: Fingerprint, others: Sequence[Fingerprint]) -> Tensor:
        epsilons = torch.tensor([other.epsilon for other in others], dtype=torch.float64).clamp_min(one.epsilon)
        return (_ROUNDINGS * one.rms * epsilons).clamp_min(self.tolerance * one.spread)

    def _groups(self) -> Iterable[tuple[list[Fingerprint], list[Fingerprint]]]:
        own, others = _by_size(self.reference.prints.values()), _by_size(self.candidate.prints.values())
        return [(own[size], others[size]) for size in own if size in others]

    def _in_order(self, own: Sequence[Fingerprint], others: Sequence[Fingerprint], found: Found) -> None:
        own_levels, own_projections = stacked(own)
        levels, projections = stacked(others)
        nearest = torch.full((len(others),), math.inf, dtype=torch.float64)
        for row, one in enumerate(own):
            enough = self._enough(one, others)
            gaps = projected_distance(own_projections[row], projections)
            near = (gaps <= _SLACK * enough) & (level_distance(own_levels[row], levels) <= enough)
            for column in near.nonzero().flatten().tolist():
                edge = self._edge(one, others[column], in_order=True)
                if edge is not None:
                    found.add(edge)
                    gaps[column] = math.inf
            found.nearest_other["reference", one.name] = float(gaps.min())
            nearest = torch.minimum(nearest, gaps)
        for column, other in enumerate(others):
            found.nearest_other["candidate", other.name] = float(nearest[column])

    def _in_any_order(
        self, own: Sequence[Fingerprint], others: Sequence[Fingerprint], lone: Set[str], free: Set[str], found: Found
    ) -> None:
        """Look at these tensors beside all of the other side: their like may be like others as well."""
        levels, _ = stacked(others)
        for one, own_levels in zip(own, stacked(own)[0], strict=True):
            near = level_distance(own_levels, levels) <= self._enough(one, others)
            for column in near.nonzero().flatten().tolist():
                other = others[column]
                if (one.name in lone or other.name in free) and not found.has(one.name, other.name):
                    edge = self._edge(one, other)
                    if edge is not None:
                        found.add(edge)

    def _edge(self, one: Fingerprint, other: Fingerprint, in_order: bool = False) -> Edge | None:
        enough = self.enough(one, other)
        own, values = self.reference.values(one.name), self.candidate.values(other.name)
        if in_order and distance(own.flatten(), values.flatten()) > enough:
            return None
        layout = best_layout(own, values, enough)
        return None if layout is None else Edge(one.name, other.name, layout)


def _by_size(prints: Iterable[Fingerprint]) -> dict[int, list[Fingerprint]]:
    groups: dict[int, list[Fingerprint]] = defaultdict(list)
    for one in prints:
        if one.finite and one.elements:
            groups[one.elements].append(one)
    return groups
