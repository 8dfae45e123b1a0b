"""A proposed mapping: pairs with a confidence each, what found no partner, and the file that a person reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from parity.errors import BadInputError
from parity.foreign.assignment import ABLE, POOR, Pairing, assign
from parity.foreign.files import ForeignFile
from parity.foreign.fusion import Fused, find_fused, joined_steps, split_steps
from parity.foreign.mapping import HIGH
from parity.foreign.matching import Search, Side
from parity.foreign.toml_text import toml_value
from parity.store.bits import dtype_name

_NEAR = 0.02


@dataclass(frozen=True)
class ProposedPair:
    """One reference's tensor, and what it is made of: candidates' names with steps of their own, then the steps."""

    reference: str
    sources: tuple[tuple[str, tuple[dict[str, Any], ...]], ...]
    steps: tuple[dict[str, Any], ...]
    confidence: float
    note: str = ""


@dataclass(frozen=True)
class Unmatched:
    """A tensor without a partner, and what is known of it."""

    name: str
    note: str


@dataclass(frozen=True)
class Proposal:
    """What `propose` found, in the order of the reference's file."""

    pairs: tuple[ProposedPair, ...]
    reference_left: tuple[Unmatched, ...]
    candidate_left: tuple[Unmatched, ...]

    @property
    def high(self) -> tuple[ProposedPair, ...]:
        """The pairs that are certain."""
        return tuple(pair for pair in self.pairs if pair.confidence >= HIGH)

    def to_toml(self, command: str) -> str:
        """Give the proposal as a mapping file, least certain facts told in comments."""
        lines = [
            f"# Proposed by `{_comment(command)}`: read it before it is used.",
            f"# {len(self.pairs)} pairs, {len(self.high)} of them with a confidence of {HIGH} or more.",
            "schema = 1",
        ]
        for title, left in (("reference", self.reference_left), ("candidate", self.candidate_left)):
            if left:
                lines += ["", f"# Of the {title} without a partner:"]
                lines += [f"#   {_comment(one.name)}{': ' if one.note else ''}{_comment(one.note)}" for one in left]
        for pair in self.pairs:
            lines += ["", "[[tap]]", *_entry(pair)]
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Give the proposal as JSON values."""
        return {
            "pairs": [
                {
                    "reference": pair.reference,
                    "from": [{"name": name, "steps": list(steps)} for name, steps in pair.sources],
                    "steps": list(pair.steps),
                    "confidence": pair.confidence,
                    "note": pair.note,
                }
                for pair in self.pairs
            ],
            "reference_left": [{"name": one.name, "note": one.note} for one in self.reference_left],
            "candidate_left": [{"name": one.name, "note": one.note} for one in self.candidate_left],
        }


def propose(reference: ForeignFile, candidate: ForeignFile, tolerance: float = _NEAR) -> Proposal:
    """Propose which tensors of the candidate are which of the reference, by their values.

    `tolerance` is how far two tensors may lie apart, root mean square, over the standard deviation of the reference's.
    """
    if not 0 < tolerance < 1:
        raise BadInputError("tolerance", repr(tolerance), "a number between 0 and 1", "choose another")
    threads = torch.get_num_threads()
    # Thousands of small tensors: to wake a second thread costs more than it brings.
    torch.set_num_threads(1)
    try:
        return _proposed(Search(Side(reference), Side(candidate), tolerance))
    finally:
        torch.set_num_threads(threads)


def _proposed(search: Search) -> Proposal:
    found = search.run()
    pairs = [_plain(pairing) for pairing in assign(found, search.reference, search.candidate)]
    own, others = _left(search, pairs)
    # Of tensors that hold the same numbers in different orders, the nearest may have been taken by another.
    if own and others and search.widen(found, set(own), set(others)):
        pairs = [_plain(pairing) for pairing in assign(found, search.reference, search.candidate)]
    pairs += _fused_pairs(search, pairs)
    pairs = [_cast(pair, search) for pair in pairs]
    pairs.sort(key=lambda pair: search.reference.places[pair.reference])
    own, others = _left(search, pairs)
    return Proposal(
        tuple(pairs),
        tuple(Unmatched(name, _known(search, name, others)) for name in own),
        tuple(Unmatched(name, _refused(search.candidate, name)) for name in others),
    )


def _plain(pairing: Pairing) -> ProposedPair:
    edge = pairing.edge
    return ProposedPair(
        edge.reference, ((edge.candidate, ()),), tuple(edge.layout.steps), pairing.confidence, pairing.note
    )


def _left(search: Search, pairs: Sequence[ProposedPair]) -> tuple[list[str], list[str]]:
    own = {pair.reference for pair in pairs}
    others = {name for pair in pairs for name, _ in pair.sources}
    return (
        [name for name in search.reference.file.names if name not in own],
        [name for name in search.candidate.file.names if name not in others],
    )


def _fused_pairs(search: Search, pairs: Sequence[ProposedPair]) -> list[ProposedPair]:
    own, others = _left(search, pairs)
    found = []
    for fused in find_fused(search, others, own, of_candidate=True):
        for piece in fused.pieces:
            confidence, note = _of_pieces(search, fused, piece.rivals, piece.layout.distance, piece.name)
            steps = tuple(split_steps(fused, piece))
            found.append(ProposedPair(piece.name, ((fused.whole, ()),), steps, confidence, note))
    own, others = _left(search, [*pairs, *found])
    for fused in find_fused(search, own, others, of_candidate=False):
        joined = joined_steps(fused)
        if joined is None:
            continue
        gap = max(piece.layout.distance for piece in fused.pieces)
        rivals = max(len(search.reference.twins(fused.whole, gap)), *(piece.rivals for piece in fused.pieces))
        confidence, note = _of_pieces(search, fused, rivals, gap, fused.whole)
        sources = tuple((piece.name, tuple(piece.layout.steps)) for piece in fused.pieces)
        found.append(ProposedPair(fused.whole, sources, tuple(joined), confidence, note))
    return found


def _of_pieces(search: Search, fused: Fused, rivals: int, gap: float, reference: str) -> tuple[float, str]:
    one = search.reference.prints[reference]
    whole = f"one of {len(fused.pieces)} pieces of a fused tensor"
    if rivals:
        return round(1 / (1 + rivals), 4), f"{whole}; {rivals + 1} tensors with equal values fit"
    if not one.tells:
        return POOR, f"{whole}; few different values: equal by chance, perhaps"
    return round(max(0.0, 1 - gap / (ABLE * one.spread)), 4), whole


def _cast(pair: ProposedPair, search: Search) -> ProposedPair:
    """Add the cast that brings the candidate's dtype to the reference's."""
    wanted = search.reference.prints[pair.reference].dtype
    own = {search.candidate.prints[name].dtype for name, _ in pair.sources}
    if own == {wanted}:
        return pair
    name = dtype_name(wanted)
    cast: dict[str, Any] = {"cast": name}
    if not all(_holds(wanted, dtype) for dtype in own):
        cast["rounding"] = f"proposed: the reference is in {name}"
    sources = tuple((source, (*steps, cast)) for source, steps in pair.sources)
    if len(sources) == 1:
        return replace(pair, steps=(*pair.steps, cast))
    return replace(pair, sources=sources)


def _holds(wanted: torch.dtype, own: torch.dtype) -> bool:
    return wanted.is_floating_point and own.is_floating_point and torch.promote_types(wanted, own) == wanted


def _known(search: Search, name: str, others: Sequence[str]) -> str:
    """Say of a reference's tensor without a partner what is wrong with it, or which lone tensor is a multiple of it."""
    refused = _refused(search.reference, name)
    if refused:
        return refused
    one = search.reference.prints[name]
    for other in others:
        found = search.candidate.prints[other]
        if found.elements == one.elements and found.finite and found.rms > 0 and one.rms > 0:
            own, values = search.reference.values(name).flatten(), search.candidate.values(other).flatten()
            factor = float(own.dot(values) / values.dot(values))
            gap = float((own - factor * values).square().mean().sqrt())
            if gap <= search.enough(one, found) and one.tells:
                return f"{factor:.6g} times {other}: another unit, or a factor that is missing; not proposed"
    return ""


def _refused(side: Side, name: str) -> str:
    one = side.prints[name]
    if not one.elements:
        return "no elements"
    return "" if one.finite else "not all finite"


def _entry(pair: ProposedPair) -> list[str]:
    plain = len(pair.sources) == 1 and not pair.sources[0][1]
    named = [
        toml_value(_literal(name)) if not steps else toml_value({"name": _literal(name), "steps": list(steps)})
        for name, steps in pair.sources
    ]
    lines = [f"tap = {toml_value(_literal(pair.reference))}"]
    lines.append(f"from = {named[0]}" if plain else f"from = [{', '.join(named)}]")
    if pair.steps:
        lines.append(f"steps = {toml_value(list(pair.steps))}")
    lines.append(f"confidence = {pair.confidence:.4f}")
    if pair.note:
        lines.append(f"note = {toml_value(pair.note)}")
    return lines


def _literal(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
