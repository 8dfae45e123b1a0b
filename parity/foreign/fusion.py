"""Tensors that one side has in one piece and the other in several: a fused projection and its query, key and value."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from parity.foreign.fingerprint import Fingerprint, level_distance, levels_of
from parity.foreign.hypotheses import Layout, PlainSteps, applied, distance, rotary_layouts
from parity.foreign.matching import Search, Side

_MOST_AXES = 4
_WOVEN = (2, 3)
_MOST_HEADS = 128


@dataclass(frozen=True)
class Piece:
    """A part of a whole: the name of the part, and the steps that bring the part's own order about.

    `first` and `size` say where it lies along the whole's axis; `rivals` counts other tensors that fit as well, used
    elsewhere or not.
    """

    name: str
    first: int
    size: int
    layout: Layout
    rivals: int


@dataclass(frozen=True)
class Fused:
    """A whole and its pieces, which fill the axis `axis` of what `steps` make of it, in this order."""

    whole: str
    steps: PlainSteps
    axis: int
    pieces: tuple[Piece, ...]


def find_fused(search: Search, wholes: Sequence[str], parts: Sequence[str], of_candidate: bool) -> list[Fused]:
    """Find the wholes that are made of parts; each part is used once.

    With `of_candidate` the candidate has the wholes and the reference the parts, else the other way round.
    """
    holder, giver = (search.candidate, search.reference) if of_candidate else (search.reference, search.candidate)
    free, found = list(parts), []
    for name in wholes:
        one = holder.prints[name]
        if not one.finite or not one.elements:
            continue
        fused = _taken_apart(search, holder, giver, name, free)
        if fused is not None:
            found.append(fused)
            used = {piece.name for piece in fused.pieces}
            free = [part for part in free if part not in used]
    return found


def _taken_apart(search: Search, holder: Side, giver: Side, name: str, free: Sequence[str]) -> Fused | None:
    whole = holder.values(name)
    prints = [giver.prints[part] for part in free]
    usable = [one for one in prints if one.finite and 0 < one.elements < whole.numel()]
    for steps, turned in _readings(whole):
        for axis in range(turned.ndim):
            pieces = _pieces(search, giver, turned, axis, usable)
            if pieces is not None:
                return Fused(name, steps, axis, pieces)
    return None


def _readings(whole: Tensor) -> Iterator[tuple[PlainSteps, Tensor]]:
    """Give the whole in every order of its axes, then with parts that are woven into each other head by head."""
    yield [], whole
    axes = range(whole.ndim)
    if 1 < whole.ndim <= _MOST_AXES:
        for order in itertools.permutations(axes):
            if list(order) != list(axes):
                steps: PlainSteps = [{"permute": list(order)}]
                yield steps, applied(steps, whole)
    for axis, count in itertools.product(axes, _WOVEN):
        size = whole.shape[axis]
        for heads in range(2, min(_MOST_HEADS, size // count) + 1):
            if size % (heads * count) == 0:
                steps = _unwoven(list(whole.shape), axis, heads, count)
                yield steps, applied(steps, whole)


def _unwoven(shape: list[int], axis: int, heads: int, count: int) -> PlainSteps:
    before, after = shape[:axis], shape[axis + 1 :]
    inner = shape[axis] // (heads * count)
    return [
        {"reshape": [*before, heads, count, inner, *after]},
        {"transpose": [axis, axis + 1]},
        {"reshape": shape},
    ]


def _pieces(
    search: Search, giver: Side, whole: Tensor, axis: int, usable: Sequence[Fingerprint]
) -> tuple[Piece, ...] | None:
    """Fill the axis from its beginning with parts that fit; None where a stretch of it is no part."""
    rest = [one for one in usable if _slots_in(one.shape, tuple(whole.shape), axis)]
    if sum(one.shape[axis] for one in rest) < whole.shape[axis]:
        return None
    pieces: list[Piece] = []
    first = 0
    while first < whole.shape[axis]:
        fitting = [
            (one, layout) for one in rest if (layout := _layout(search, giver, whole, axis, first, one)) is not None
        ]
        if not fitting:
            return None
        one, layout = min(fitting, key=lambda found: found[1].distance)
        pieces.append(Piece(one.name, first, one.shape[axis], layout, len(giver.twins(one.name, layout.distance))))
        first += one.shape[axis]
        rest = [other for other in rest if other.name != one.name]
    return tuple(pieces) if len(pieces) > 1 else None


def _slots_in(part: tuple[int, ...], whole: tuple[int, ...], axis: int) -> bool:
    return len(part) == len(whole) and all(
        size == other or (number == axis and size < other)
        for number, (size, other) in enumerate(zip(part, whole, strict=True))
    )


def _layout(search: Search, giver: Side, whole: Tensor, axis: int, first: int, one: Fingerprint) -> Layout | None:
    size = one.shape[axis]
    if first + size > whole.shape[axis]:
        return None
    stretch, enough = whole.narrow(axis, first, size), search.enough(one, one)
    # Numbers in any order have the same size and the same levels; most parts are told apart by the size.
    if abs(float(stretch.square().mean().sqrt()) - one.rms) > enough:
        return None
    part = giver.values(one.name)
    gap = distance(stretch, part)
    if gap <= enough:
        return Layout([], gap)
    if float(level_distance(levels_of(stretch.flatten().sort().values), one.levels)) > enough:
        return None
    own, other = (part, stretch) if giver is search.reference else (stretch, part)
    for steps in rotary_layouts(own.shape, other.shape):
        gap = distance(own, applied(steps, other))
        if gap <= enough:
            return Layout(steps, gap)
    return None


def split_steps(fused: Fused, piece: Piece) -> PlainSteps:
    """Give the steps that take a piece out of the candidate's whole."""
    sizes = [one.size for one in fused.pieces]
    take: dict[str, Any] = {"split": sizes, "take": fused.pieces.index(piece), "axis": fused.axis}
    return [*fused.steps, take, *piece.layout.steps]


def joined_steps(fused: Fused) -> PlainSteps | None:
    """Give the steps that make the reference's whole of the candidate's pieces; None where they are woven together."""
    join: dict[str, Any] = {"concat": fused.axis}
    return [join, *back] if (back := _undone(fused.steps)) is not None else None


def _undone(steps: PlainSteps) -> PlainSteps | None:
    undone: PlainSteps = []
    for step in reversed(steps):
        if "permute" not in step:
            return None
        order = step["permute"]
        undone.append({"permute": [order.index(axis) for axis in range(len(order))]})
    return undone
