"""The reference negated, times a constant, plus a constant, or both."""

from collections.abc import Iterator

import numpy as np

from parity.blame.evidence import LEAST_BITS, Proposal
from parity.blame.hypotheses.inputs import inputs_of
from parity.blame.numbers import RECOGNISED, recognised, shown
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene


class Sign:
    """The candidate is minus the reference."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose it; where the sign of negative values alone is lost, a size is taken, and told so elsewhere."""
        if _both_signs(scene):
            yield Proposal(HintKind.SIGN, "equals minus the reference", -scene.reference)


def _both_signs(scene: Scene) -> bool:
    """Whether a change of sign is one: of values of one sign, picked out of others, it may be a size."""
    return not scene.partial or bool(np.any(scene.reference[scene.counted] > 0))


class Complement:
    """The candidate is one minus the reference, as a share taken for the rest."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose it."""
        yield Proposal(HintKind.AFFINE, "equals one minus the reference", 1 - scene.reference)


class Factor:
    """The candidate is the reference times a constant."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose a number that somebody would recognise, without fitting it; then the factor that fits best."""
        if scene.masked:
            return
        for number, words in recognised(
            _slope(scene.own[scene.counted], scene.reference[scene.counted]), 4 * scene.epsilon + 1e-6
        ):
            told = f"equals the reference times {shown(number)}: {words}"
            yield Proposal(HintKind.FACTOR, told, number * scene.reference, tries=RECOGNISED)
        fit = scene.counted & scene.fitted
        factor = _slope(scene.own[fit], scene.reference[fit])
        if factor < 0 and not _both_signs(scene):
            return
        words = f"equals the reference times {shown(factor)}"
        yield Proposal(HintKind.FACTOR, words, factor * scene.reference, scene.held)


class Offset:
    """The candidate is the reference plus a constant."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the constant that fits best, and one that all elements share to the last digit."""
        fit = scene.counted & scene.fitted
        if not fit.any() or scene.masked:
            return
        offset = float(np.mean(scene.error[fit]))
        words = _offset_words(offset)
        yield Proposal(HintKind.OFFSET, words, scene.reference + offset, scene.held)
        told = scene.error[scene.counted]
        # Few whole numbers say little each; that none of the differences is another one says enough.
        several = len(told) >= _LEAST_EQUAL and len(np.unique(scene.reference[scene.counted])) >= 2
        if scene.epsilon == 0 and several and np.all(told == told[0]):
            predicted = scene.reference + told[0]
            yield Proposal(HintKind.OFFSET, _offset_words(float(told[0])), predicted, bits=LEAST_BITS)


# Elements whose differences are one and the same whole number.
_LEAST_EQUAL = 4


def _offset_words(offset: float) -> str:
    return f"equals the reference {'plus' if offset >= 0 else 'minus'} {shown(abs(offset))}"


class Affine:
    """The candidate is the reference times a constant plus another."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the line that fits best."""
        fit = scene.counted & scene.fitted
        if fit.sum() < 2 or scene.masked:
            return
        own, reference = scene.own[fit], scene.reference[fit]
        spread = reference - reference.mean()
        norm = float(spread @ spread)
        if norm == 0 or not np.isfinite(norm):
            return
        factor = float(own @ spread) / norm
        if factor < 0 and not _both_signs(scene):
            return
        offset = float(own.mean() - factor * reference.mean())
        words = f"equals the reference times {shown(factor)} {'plus' if offset >= 0 else 'minus'} {shown(abs(offset))}"
        yield Proposal(HintKind.AFFINE, words, factor * scene.reference + offset, scene.held)


class Update:
    """What the candidate adds to a near value is what the reference adds to it times a constant."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the factor that fits best, for the nearest values."""
        inputs = inputs_of(scene)
        for index in range(min(_NEAREST, inputs.count) if inputs else 0):
            assert inputs is not None
            factor = _slope(inputs.own - inputs.at[index], inputs.reference - inputs.at[index])
            left = inputs.own - inputs.at[index] - factor * (inputs.reference - inputs.at[index])
            if not len(inputs.promising(left[None])):
                continue
            part, fit = inputs.whole(index), scene.counted & scene.fitted
            factor = _slope((scene.own - part)[fit], (scene.reference - part)[fit])
            told = next((f": {words}" for _, words in recognised(factor, 8 * scene.epsilon + 1e-6)), "")
            words = f"adds to {inputs.name(index)} what the reference adds times {shown(factor)}{told}"
            predicted = part + factor * (scene.reference - part)
            yield Proposal(HintKind.FACTOR, words, predicted, scene.held, tries=_NEAREST)


def _slope(own: Array, reference: Array) -> float:
    norm = float(reference @ reference)
    return float(own @ reference) / norm if norm > 0 and np.isfinite(norm) else 0.0


# How many values before the one in question may be what something was added to.
_NEAREST = 8
