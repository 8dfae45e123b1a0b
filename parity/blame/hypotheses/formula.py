"""Values made of known tensors by another formula: a term left out or added twice, a factor missing, another sum."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.hypotheses.inputs import Inputs, inputs_of, weights_of
from parity.blame.numbers import shown
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene


class Term:
    """The candidate lacks a known term of a sum, has it twice, or has it at another weight."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose every near value that the error is a multiple of."""
        inputs = inputs_of(scene)
        if inputs is None or scene.own.size < 2:
            return
        error = inputs.own - inputs.reference
        weights = weights_of(inputs.at, error)
        for (index,) in inputs.promising(error - weights[:, None] * inputs.at):
            part = inputs.whole(index)
            fit = scene.counted & scene.fitted & scene.differs
            weight = float(weights_of(part[fit][None], scene.error[fit])[0])
            if not np.isfinite(weight):
                continue
            weight = round(weight) if abs(weight - round(weight)) < 4 * scene.epsilon + 1e-6 else weight
            words = _term_words(weight, inputs.name(index))
            predicted = scene.reference + weight * part
            yield Proposal(HintKind.TERM, words, predicted, scene.held, tries=inputs.count)


def _term_words(weight: float, name: str) -> str:
    if weight == -1:
        return f"equals the reference without {name}: a missing term"
    if weight == 1:
        return f"equals the reference with {name} added once more"
    return f"equals the reference {'plus' if weight > 0 else 'minus'} {shown(abs(weight))} times {name}"


class Product:
    """The candidate is a known value times a constant, or the reference times or divided by a known value."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose what fits at a sample."""
        inputs = inputs_of(scene)
        if inputs is None:
            return
        yield from self._scaled(scene, inputs)
        for operation in _WITH_REFERENCE:
            for (index,) in inputs.promising(inputs.own - operation.of(inputs.reference[None], inputs.at)):
                words = f"equals {operation.words.format('the reference', inputs.name(index))}"
                predicted = operation.of(scene.reference, inputs.whole(index))
                tries = inputs.count * len(_WITH_REFERENCE)
                yield Proposal(HintKind.FORMULA, words, predicted, tries=tries)

    def _scaled(self, scene: Scene, inputs: Inputs) -> Iterator[Proposal]:
        weights = weights_of(inputs.at, inputs.own)
        for (index,) in inputs.promising(inputs.own - weights[:, None] * inputs.at):
            fit = scene.counted & scene.fitted
            part = inputs.whole(index)
            weight = float(weights_of(part[fit][None], scene.own[fit])[0])
            words = f"equals {shown(weight)} times {inputs.name(index)}"
            yield Proposal(HintKind.FORMULA, words, weight * part, scene.held, tries=inputs.count)


@dataclass(frozen=True)
class _Operation:
    words: str
    of: Callable[[Array, Array], Array]


def _divided(left: Array, right: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(left / right)


_WITH_REFERENCE = (
    _Operation("{} times {}", lambda left, right: left * right),
    _Operation("{} divided by {}", _divided),
    _Operation("{} times (1 + {})", lambda left, right: left * (1 + right)),
    _Operation("{} divided by (1 + {})", lambda left, right: _divided(left, 1 + right)),
)
_OF_TWO = (
    _Operation("{} plus {}", lambda left, right: left + right),
    _Operation("{} minus {}", lambda left, right: left - right),
    _Operation("{} times {}", lambda left, right: left * right),
    _Operation("{} divided by {}", _divided),
    _Operation("the mean of {} and {}", lambda left, right: (left + right) / 2),
)


class Pair:
    """The candidate is a sum, difference, product, quotient or mean of two near values."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose what fits at a sample."""
        inputs = inputs_of(scene)
        if inputs is None:
            return
        count = inputs.count
        for operation in _OF_TWO:
            combined = operation.of(inputs.at[:, None], inputs.at[None, :])
            for left, right in inputs.promising(inputs.own - combined):
                words = f"equals {operation.words.format(inputs.name(left), inputs.name(right))}"
                predicted = operation.of(inputs.whole(left), inputs.whole(right))
                yield Proposal(HintKind.FORMULA, words, predicted, tries=count * count * len(_OF_TWO))


class WeightedSum:
    """The candidate is a near value plus another times a constant."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose what fits at a sample."""
        inputs = inputs_of(scene)
        if inputs is None or scene.own.size < 2:
            return
        count = inputs.count
        rest = inputs.own - inputs.at
        norms = np.sum(inputs.at**2, axis=-1)
        weights = rest @ inputs.at.T / norms
        for left, right in inputs.promising(rest[:, None] - weights[..., None] * inputs.at[None]):
            fit = scene.counted & scene.fitted
            weight = float(weights_of(inputs.whole(right)[fit][None], (scene.own - inputs.whole(left))[fit])[0])
            sign = "plus" if weight > 0 else "minus"
            words = f"equals {inputs.name(left)} {sign} {shown(abs(weight))} times {inputs.name(right)}"
            predicted = inputs.whole(left) + weight * inputs.whole(right)
            yield Proposal(HintKind.FORMULA, words, predicted, scene.held, tries=count * count)
