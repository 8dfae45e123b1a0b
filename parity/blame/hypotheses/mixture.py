"""Values that go from one known value towards another, by a constant share or by a known mask."""

from collections.abc import Iterator

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.hypotheses.inputs import Inputs, inputs_of, weights_of
from parity.blame.numbers import shown
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene

# Whole values nearest before the one in question that are combined in threes, and masks that may weigh them.
_NEAREST, _MASKS = 32, 6


class Mixture:
    """The candidate is X + c (Y - Z), or X + c M (Y - X), of near values X, Y, Z and a mask M of fewer elements."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose what fits at a sample, without a mask first."""
        inputs = inputs_of(scene)
        if inputs is None or scene.own.size < 2:
            return
        whole = [index for index in range(inputs.count) if not inputs.spread[index]][:_NEAREST]
        masks = [index for index in range(inputs.count) if inputs.spread[index]][:_MASKS]
        yield from _steps(scene, inputs, whole)
        for mask in masks:
            yield from _masked(scene, inputs, whole, mask)


def _steps(scene: Scene, inputs: Inputs, whole: list[int]) -> Iterator[Proposal]:
    at = inputs.at[whole]
    wanted = (inputs.own - at)[:, None, None]
    directions = (at[:, None] - at[None, :])[None]
    norms = np.sum(directions**2, axis=-1)
    with np.errstate(all="ignore"):
        shares = np.sum(wanted * directions, axis=-1) / norms
    for x, y, z in inputs.promising(wanted - shares[..., None] * directions):
        # Of each pair, once; and not the plain multiples and sums that are told elsewhere.
        if y < z and x != y:
            parts = [inputs.whole(whole[index]) for index in (x, y, z)]
            names = [inputs.name(whole[index]) for index in (x, y, z)]
            share = _share(scene, parts[0], parts[1] - parts[2])
            words = f"equals {names[0]} {_signed(share)} times the difference of {names[1]} and {names[2]}"
            predicted = parts[0] + share * (parts[1] - parts[2])
            yield Proposal(HintKind.FORMULA, words, predicted, scene.held, tries=max(1, len(whole) ** 3 // 2))


def _masked(scene: Scene, inputs: Inputs, whole: list[int], mask: int) -> Iterator[Proposal]:
    at = inputs.at[whole]
    wanted = (inputs.own - at)[:, None]
    directions = inputs.at[mask] * (at[None, :] - at[:, None])
    norms = np.sum(directions**2, axis=-1)
    with np.errstate(all="ignore"):
        shares = np.sum(wanted * directions, axis=-1) / norms
    for x, y in inputs.promising(wanted - shares[..., None] * directions):
        parts = [inputs.whole(whole[index]) for index in (x, y)]
        names = [inputs.name(whole[index]) for index in (x, y)]
        direction = inputs.whole(mask) * (parts[1] - parts[0])
        share = _share(scene, parts[0], direction)
        weight = inputs.name(mask) if abs(share - 1) < 1e-2 else f"{shown(share)} times {inputs.name(mask)}"
        words = f"is mixed of {names[0]} and {names[1]}, of this as much as {weight} says"
        predicted = parts[0] + share * direction
        yield Proposal(HintKind.FORMULA, words, predicted, scene.held, tries=len(whole) ** 2 * _MASKS)


def _share(scene: Scene, start: Array, direction: Array) -> float:
    fit = scene.counted & scene.fitted
    return float(weights_of(direction[fit][None], (scene.own - start)[fit])[0])


def _signed(value: float) -> str:
    return f"{'plus' if value >= 0 else 'minus'} {shown(abs(value))}"
