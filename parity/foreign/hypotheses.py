"""Ways in which another layout of a tensor may lie: each as the steps of a mapping, tried by value."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from parity.foreign.grammar import read_steps
from parity.foreign.steps import run_steps

# As the mapping file writes them.
PlainSteps = list[dict[str, Any]]
_MOST_AXES = 5
_MOST_HEADS = 128
_PARTS = (2, 3, 4, 5, 6, 9)


@dataclass(frozen=True)
class Layout:
    """The steps that bring a candidate to the reference's layout, and the root mean square difference that remains.

    `others` counts other ways that come as close.
    """

    steps: PlainSteps
    distance: float
    others: int = 0


def applied(steps: PlainSteps, tensor: Tensor) -> Tensor:
    """Run plain steps on a tensor."""
    return run_steps(read_steps(steps, "proposal"), [tensor], "proposal")


def distance(left: Tensor, right: Tensor) -> float:
    """Give the root mean square difference of two tensors of one shape."""
    return float((left - right).square().mean().sqrt()) if left.numel() else math.inf


def best_layout(reference: Tensor, candidate: Tensor, enough: float) -> Layout | None:
    """Give the layout in which a candidate of as many elements comes closest to the reference, if within `enough`.

    Both are float64. Rotary orders and exchanged parts are tried only where no order of whole axes fits.
    """
    for ways in (turned_layouts, rotary_layouts):
        found = _closest(reference, candidate, enough, ways(reference.shape, candidate.shape))
        if found is not None:
            return found
    return _reordered(reference, candidate, enough)


def _closest(reference: Tensor, candidate: Tensor, enough: float, ways: Iterator[PlainSteps]) -> Layout | None:
    found: list[tuple[float, PlainSteps, Tensor]] = []
    for steps in ways:
        turned = applied(steps, candidate)
        gap = distance(reference, turned)
        # The same values in the same places are not another way to read the tensor.
        if gap <= enough and not any(torch.equal(turned, other) for _, _, other in found):
            found.append((gap, steps, turned))
    if not found:
        return None
    gap, steps, _ = min(found, key=lambda one: one[0])
    return Layout(steps, gap, sum(other <= 3 * gap + 1e-12 for other, _, _ in found) - 1)


def turned_layouts(reference: Sequence[int], candidate: Sequence[int]) -> Iterator[PlainSteps]:
    """Give every way from one shape to another that reads whole axes in some order; the own order goes first."""
    own, wanted = tuple(candidate), tuple(reference)
    yield _shaped(own, wanted)
    for turn, sizes in _turns(own, wanted):
        yield [*turn, *_shaped(sizes, wanted)]


def rotary_layouts(reference: Sequence[int], candidate: Sequence[int]) -> Iterator[PlainSteps]:
    """Give the ways of `turned_layouts` that keep rows whole, each with every other order of rotary pairs."""
    own, wanted = tuple(candidate), tuple(reference)
    for turn, sizes in [([], own), *_turns(own, wanted)]:
        if _fits(sizes, wanted):
            yield from ([*turn, *_shaped(sizes, wanted), rope] for rope in _rotary(wanted))


def _shaped(sizes: tuple[int, ...], wanted: tuple[int, ...]) -> PlainSteps:
    return [] if sizes == wanted else [{"reshape": list(wanted)}]


def _turns(own: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[tuple[PlainSteps, tuple[int, ...]]]:
    if not 1 < len(own) <= _MOST_AXES:
        return
    for axes in itertools.permutations(range(len(own))):
        sizes = tuple(own[axis] for axis in axes)
        # Moving an axis of size 1 about moves no element.
        moves = [axis for axis in axes if own[axis] != 1]
        if moves != sorted(moves) and _fits(sizes, wanted):
            yield [_turn(axes)], sizes


def _fits(sizes: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a reshape only splits or merges neighbouring axes: any other would tear rows apart."""
    return math.prod(sizes) == math.prod(wanted) and bool(
        _edges(sizes) <= _edges(wanted) or _edges(wanted) <= _edges(sizes)
    )


def _edges(sizes: tuple[int, ...]) -> set[int]:
    return set(itertools.accumulate(reversed(sizes), lambda product, size: product * size, initial=1))


def _turn(axes: tuple[int, ...]) -> dict[str, Any]:
    moved = [axis for axis, from_ in enumerate(axes) if axis != from_]
    return {"transpose": moved} if len(moved) == 2 else {"permute": list(axes)}


def _rotary(sizes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    for axis in {0, len(sizes) - 1} if sizes else ():
        for heads in range(1, min(_MOST_HEADS, sizes[axis] // 4) + 1):
            if sizes[axis] % (2 * heads) == 0:
                for way in ("interleaved-to-split", "split-to-interleaved"):
                    yield {"rope": way, "heads": heads, "axis": axis}


def _reordered(reference: Tensor, candidate: Tensor, enough: float) -> Layout | None:
    """Look for equal parts of an axis in another order: rows of a modulation table, a fused projection's thirds."""
    if reference.shape != candidate.shape:
        return None
    for axis, parts in itertools.product(range(reference.ndim), _PARTS):
        if reference.shape[axis] % parts:
            continue
        own, wanted = candidate.chunk(parts, axis), reference.chunk(parts, axis)
        order = [min(range(parts), key=lambda i, part=part: distance(part, own[i])) for part in wanted]  # type: ignore[misc]
        if sorted(order) != list(range(parts)) or order == sorted(order):
            continue
        steps: PlainSteps = [{"reorder": order, "axis": axis}]
        gap = distance(reference, applied(steps, candidate))
        if gap <= enough:
            return Layout(steps, gap)
    return None
