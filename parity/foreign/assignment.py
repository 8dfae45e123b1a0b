"""From what could be the same tensor to a proposal: one candidate for each reference's tensor, with a confidence."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from parity.foreign.context import Context
from parity.foreign.mapping import HIGH
from parity.foreign.matching import Edge, Found, Side

# An equal tensor told apart by place and name together, or by one of the two: below what counts as certain.
BY_BOTH, BY_ONE = 0.9, 0.8
POOR = 0.5
"""What a tensor gets at most whose values tell little: a constant, or fewer than four different numbers."""
ABLE = 0.2
"""The share of a tensor's spread that a distance is held against."""
_MARGIN = 3.0
_KINDRED = 0.02


@dataclass(frozen=True)
class Pairing:
    """One reference's tensor and the candidate proposed for it; `note` says what keeps it from being certain."""

    edge: Edge
    confidence: float
    note: str


def assign(found: Found, reference: Side, candidate: Side) -> list[Pairing]:
    """Propose pairs, each tensor of either side in one at most.

    The confidence of a pair that only values decide is 1 - d / D: d is how far its two tensors are from each other
    and D how far the nearest other lies from either, or a fifth of the reference's spread if that is less: a pair more
    than a hundredth of its spread apart is never certain. Equal tensors are told apart by place and name at best, and
    get less.
    """
    left = [edge for edges in found.edges.values() for edge in edges]
    pairings: list[Pairing] = []
    context: Context | None = None
    while left:
        clusters = _clusters(_mutual(left))
        if context is None:
            context = _context(clusters, found, reference, candidate)
        for cluster in clusters:
            if len(cluster) == 1:
                pairings.append(_by_value(cluster[0], found, reference))
            else:
                pairings += _untangled(cluster, context, reference, candidate)
        # Equal tensors with errors of different size may not be nearest to each other; they are what is left.
        own, others = {p.edge.reference for p in pairings}, {p.edge.candidate for p in pairings}
        left = [edge for edge in left if edge.reference not in own and edge.candidate not in others]
    return pairings


def _context(clusters: Iterable[Sequence[Edge]], found: Found, reference: Side, candidate: Side) -> Context:
    alone = [cluster[0] for cluster in clusters if len(cluster) == 1]
    certain = [(e.reference, e.candidate) for e in alone if _by_value(e, found, reference).confidence >= HIGH]
    return Context(reference.file.names, candidate.file.names, certain)


def _mutual(edges: Iterable[Edge]) -> list[Edge]:
    """Keep the edges that are among the nearest of both their ends."""
    listed = list(edges)
    best: dict[tuple[str, str], float] = defaultdict(lambda: float("inf"))
    for edge in listed:
        for end in (("reference", edge.reference), ("candidate", edge.candidate)):
            best[end] = min(best[end], edge.layout.distance)
    return [
        edge
        for edge in listed
        if edge.layout.distance
        <= _MARGIN * min(best["reference", edge.reference], best["candidate", edge.candidate]) + 1e-12
    ]


def _clusters(edges: Iterable[Edge]) -> list[list[Edge]]:
    """Gather edges that share a tensor, directly or through others."""
    listed = list(edges)
    by_end: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, edge in enumerate(listed):
        by_end["reference", edge.reference].append(number)
        by_end["candidate", edge.candidate].append(number)
    seen: set[int] = set()
    clusters = []
    for number in range(len(listed)):
        if number in seen:
            continue
        queue, cluster = [number], []
        seen.add(number)
        while queue:
            edge = listed[queue.pop()]
            cluster.append(edge)
            for end in (("reference", edge.reference), ("candidate", edge.candidate)):
                fresh = [n for n in by_end.pop(end, []) if n not in seen]
                seen.update(fresh)
                queue += fresh
        clusters.append(cluster)
    return clusters


def _by_value(edge: Edge, found: Found, reference: Side) -> Pairing:
    gap = edge.layout.distance
    others = [e.layout.distance for e in found.edges[edge.reference] if e is not edge]
    others += [e.layout.distance for e in found.by_candidate[edge.candidate] if e is not edge]
    ends = (("reference", edge.reference), ("candidate", edge.candidate))
    spread = reference.prints[edge.reference].spread
    nearest = min([*others, *(found.nearest_other.get(end, float("inf")) for end in ends), ABLE * spread])
    confidence = 1.0 - gap / nearest if nearest > gap else 0.0
    note = "" if confidence >= HIGH else f"{gap:.1e} apart, where another, or a part of its spread, is {nearest:.1e}"
    if edge.layout.others > 0:
        confidence, note = confidence / (1 + edge.layout.others), "another layout fits as well"
    if not reference.prints[edge.reference].tells:
        confidence, note = min(confidence, POOR), "few different values: equal by chance, perhaps"
    return Pairing(edge, round(confidence, 4), note)


def _untangled(cluster: Sequence[Edge], context: Context, reference: Side, candidate: Side) -> list[Pairing]:
    """Take equal tensors apart by place and name; what neither tells is taken in the order of the files."""
    by_ends = {(edge.reference, edge.candidate): edge for edge in cluster}
    own = sorted({one for one, _ in by_ends}, key=reference.places.__getitem__)
    others = sorted({other for _, other in by_ends}, key=candidate.places.__getitem__)
    plain = _cheapest(by_ends, dict.fromkeys(by_ends, 0.0))
    kin = _cheapest(by_ends, {ends: -round(context.kinship(*ends), 6) for ends in by_ends})
    near = dict(zip(own, others, strict=False)) if len(own) == len(others) else {}
    if not near or any(pair not in by_ends for pair in near.items()):
        near = _cheapest(by_ends, {ends: context.displacement(*ends) for ends in by_ends})
    named = _tells(kin, by_ends, context)
    pairings = []
    for one, other in (near if context.ordered else kin if named else plain).items():
        confidence, how = 1 / max(len(own), len(others)), "nothing tells them apart"
        if context.ordered and named:
            agree = kin.get(one) == other
            how = "told apart by place and name" if agree else "place and name disagree"
            confidence = BY_BOTH if agree else confidence
        elif context.ordered or named:
            confidence, how = BY_ONE, f"told apart by {'place' if context.ordered else 'name'} alone"
        if not reference.prints[one].tells:
            confidence = min(confidence, POOR)
        note = f"{len(own)} and {len(others)} tensors with equal values: {how}"
        pairings.append(Pairing(by_ends[one, other], round(confidence, 4), note))
    return pairings


def _tells(chosen: Mapping[str, str], by_ends: Mapping[tuple[str, str], Edge], context: Context) -> bool:
    """Whether names go together better in the pairs chosen than in any other that these tensors could form."""
    for own, other in chosen.items():
        mine = context.kinship(own, other)
        rivals = [context.kinship(*ends) for ends in by_ends if ends[0] == own and ends[1] != other]
        if mine <= max(rivals, default=0.0) + _KINDRED:
            return False
    return bool(chosen)


def _cheapest(by_ends: Mapping[tuple[str, str], Edge], costs: Mapping[tuple[str, str], float]) -> dict[str, str]:
    """Choose pairs one by one, the cheapest first, and among those the ones of one layout.

    Where that leaves tensors over, pairs are exchanged until as many have a partner as can have one.
    """
    ways: dict[str, list[str]] = defaultdict(list)
    chosen: dict[str, str] = {}
    taken: dict[str, str] = {}
    for one, other in sorted(by_ends, key=lambda ends: (costs[ends], len(by_ends[ends].layout.steps), ends)):
        ways[one].append(other)
        if one not in chosen and other not in taken:
            chosen[one], taken[other] = other, one
    for one in sorted(ways.keys() - chosen.keys()):
        _make_room(one, ways, chosen, taken)
    return chosen


def _make_room(one: str, ways: Mapping[str, Sequence[str]], chosen: dict[str, str], taken: dict[str, str]) -> None:
    """Give a tensor a partner, where the one that has it can be given another, and so on."""
    wanted_by: dict[str, str] = {}
    queue = [one]
    for current in queue:
        for other in ways[current]:
            if other in wanted_by:
                continue
            wanted_by[other] = current
            if other in taken:
                queue.append(taken[other])
                continue
            free: str | None = other
            while free is not None:
                taker = wanted_by[free]
                taken[free] = taker
                chosen[taker], free = free, chosen.get(taker)
            return
