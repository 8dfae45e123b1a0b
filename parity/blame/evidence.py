"""When a statement about a wrong value is believed: what it leaves of the error, and how much speaks for it.

A statement predicts the candidate's value. It is held to elements that none of its parameters was fitted to: nearly
all of the error must go, at nearly every element, down to what rounding explains. And there must be enough of it. An
element predicted to a thousandth of its error speaks with ten bits (a round number with fewer), equal elements speak
once, and choosing among n alternatives costs log2(n): what is left has to be more than chance gives.
"""

import math
from dataclasses import dataclass

import numpy as np

from parity.blame.record import Hint, HintKind
from parity.blame.scene import Array, Flags, Scene, root_mean_square

# How much less of the error than a simpler one a later statement must leave, and the share of the largest rounding that
# rounding is likely to leave: two of them, each uniform within half a spacing, of which the floor is up to the double.
_MUCH_LESS, _LIKELY = 0.5, 0.5
# Chance gives this many bits once in 8,000 trials; a tensor of a few dozen elements gives hundreds.
LEAST_BITS = 13.0
# What an exact statement may leave, and what any may.
EXACT, LOOSE = 1e-3, 0.05
# Elements of which the distinct ones are counted; how many of them are few; what a number's size alone says.
_SAMPLED, _FEW, _SIZE_BITS = 4096, 64, 5.0
# Elements that are looked at first.
_FIRST = 256


@dataclass(frozen=True, eq=False)
class Proposal:
    """A statement: the candidate `words`, where `held` marks what verifies it (None: all that counts).

    `predicted` is the candidate's value as the statement has it (the reference's, with `of_reference`). `tries` is
    among how many it was chosen. `moves`: it puts elements of the reference elsewhere, so that what speaks for it is
    that unequal elements meet their equals; `least` is the smallest share of the counted elements that it must be
    about. `bits` replaces the count of what speaks for it, where equal elements say more or less than usual. A `fact`
    is what was counted, and predicts nothing: its bits alone are asked for.
    """

    kind: HintKind
    words: str
    predicted: Array
    held: Flags | None = None
    tries: int = 1
    moves: bool = False
    of_reference: bool = False
    least: float = 0.5
    bits: float | None = None
    fact: bool = False


@dataclass(frozen=True)
class Verified:
    """A hint that holds: exactly, down to what rounding may leave, or just nearly so.

    `clean`: it leaves no more than rounding is likely to, so that no other statement can say more.
    """

    hint: Hint
    exact: bool
    clean: bool

    def betters(self, other: "Verified") -> bool:
        """Whether this one is to be given in the place of another that was found before, and is simpler."""
        if self.exact != other.exact:
            return self.exact
        return self.hint.residual < _MUCH_LESS * other.hint.residual


def verify(scene: Scene, proposal: Proposal) -> Verified | None:
    """Hold a proposal to what it was not fitted to; None where it does not hold."""
    if proposal.fact:
        bits = 0.0 if proposal.bits is None else proposal.bits
        return _hint(scene, proposal, 0.0, bits, (True, True))
    value = scene.reference if proposal.of_reference else scene.own
    wanted = scene.counted if proposal.held is None else proposal.held & scene.counted
    held = wanted & np.isfinite(proposal.predicted)
    if not held.any() or held.sum() < proposal.least * wanted.sum() or not scene.differs[held].any():
        return None
    if not _promising(scene, value, proposal, held):
        return None
    if scene.masked:
        # Next to the lowest numbers of a dtype no other error would show: such values are equal, or they are not.
        equal = float(np.mean(proposal.predicted[held] == value[held]))
        return _hint(scene, proposal, 0.0, _bits(scene, proposal, held, 1.0), (True, True)) if equal == 1 else None
    error, floor = scene.error[held], scene.floor[held]
    left = proposal.predicted[held] - value[held]
    before, after, rounding = (root_mean_square(part) for part in (error, left, floor))
    if before == 0:
        return None
    exact = after <= max(2 * rounding, EXACT * before) and after <= 0.1 * before
    explained = float(np.mean(np.abs(left) <= np.maximum(0.1 * np.abs(error), 4 * floor)))
    # What was moved is there to the last element, or the rest was not moved.
    exact = exact and (not proposal.moves or bool(scene.alike(proposal.predicted[held], value[held]).all()))
    if not (exact or after <= LOOSE * before) or explained < (0.98 if exact else 0.9):
        return None
    bits = _bits(scene, proposal, held, before / max(after, rounding / 8, 1e-300))
    clean = exact and after <= max(_LIKELY * rounding, EXACT * before)
    return _hint(scene, proposal, after / before, bits, (exact, clean))


def _promising(scene: Scene, value: Array, proposal: Proposal, held: Flags) -> bool:
    """Look at a few elements first: most statements are far off, and most elements need not be read for that."""
    places = np.flatnonzero(held & scene.differs)
    places = places[:: max(1, len(places) // _FIRST)]
    left = np.abs(proposal.predicted.ravel()[places] - value.ravel()[places])
    near = np.maximum(0.2 * np.abs(scene.error.ravel()[places]), 8 * scene.floor.ravel()[places])
    return scene.masked or bool(np.mean(left <= near) > 0.75)


def _hint(scene: Scene, proposal: Proposal, residual: float, bits: float, holds: tuple[bool, bool]) -> Verified | None:
    bits -= math.log2(proposal.tries)
    if bits < LEAST_BITS:
        return None
    words = f"{proposal.words}{' ' if scene.within else ''}{scene.within}"
    return Verified(Hint(proposal.kind, words, residual, bits), *holds)


def _bits(scene: Scene, proposal: Proposal, held: Flags, gain: float) -> float:
    if proposal.bits is not None:
        return proposal.bits
    told = held & scene.differs
    if proposal.moves:
        return float(told.sum()) * -math.log2(max(_collision(scene.own[told]), 1 / _SAMPLED)) if told.any() else 0.0
    pairs = _distinct(scene.own[told], proposal.predicted[told])
    if proposal.held is not None and len(pairs) <= _FEW:
        # A constant that was fitted to a value is not confirmed by the same value elsewhere.
        fitted = scene.counted & ~proposal.held
        pairs = pairs[~np.isin(pairs[:, 0], scene.own[fitted])]
    return float(np.sum(np.minimum(math.log2(max(gain, 1.0)), digits(pairs[:, 0], scene.epsilon) + _SIZE_BITS)))


def _distinct(own: Array, predicted: Array) -> Array:
    step = max(1, len(own) // _SAMPLED)
    return np.unique(np.stack([own[::step], predicted[::step]], axis=1), axis=0)


def digits(values: Array, epsilon: float) -> Array:
    """Count the binary digits of numbers, or what their decimal ones are worth: a round one says less."""
    whole = np.ldexp(np.abs(np.frexp(values)[0]), 53).astype(np.int64)
    binary = np.where(whole == 0, 0.0, 53 - np.log2(np.maximum(whole & -whole, 1).astype(np.float64)))
    with np.errstate(all="ignore"):
        scale = 10.0 ** np.floor(np.log10(np.abs(values)))
    decimal = np.full(values.shape, 53.0)
    for count in (4, 3, 2, 1):
        unit = scale * 10.0 ** (1 - count)
        with np.errstate(all="ignore"):
            near = np.abs(np.round(values / unit) * unit - values) <= max(epsilon, 1e-15) / 2 * np.abs(values)
        decimal[near] = count * math.log2(10)
    return np.minimum(binary, decimal)


def _collision(values: Array) -> float:
    """Give the chance that two of the values, drawn at random, are equal."""
    counts = np.unique(values[:: max(1, len(values) // _SAMPLED)], return_counts=True)[1]
    return float(np.sum((counts / counts.sum()) ** 2))
