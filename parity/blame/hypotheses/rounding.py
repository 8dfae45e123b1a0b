"""Errors that are those of rounding: another precision, or another order of operations."""

from collections.abc import Iterator

import numpy as np
import torch

from parity.blame.evidence import Proposal, digits
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene, as_array, bounds, root_mean_square

# Bits of the significand of dtypes that something may have been rounded to, the narrowest first.
_NARROWER = {"bfloat16": 8, "float16": 11, "float32": 24}
# Spacings of a dtype by which a few roundings move a value; how far errors may lean to one side, and few of them.
_MOST_STEPS, _MOST_STEPS_NARROWER, _MOST_LEANING, _CHANCE = 4.0, 2.0, 0.5, 2.5
_LEAST_ELEMENTS, _SAMPLED = 8, 4096
# Share of differing elements, where they lie, up to which they are scattered.
_MOST_CROWDED = 0.5
# Bits that each digit of a rounded number speaks with.
_SPEAKS = 4.0


class RoundedOnce:
    """One side is the other rounded to a narrower dtype."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose each narrower dtype, for each side."""
        if scene.epsilon == 0:
            return
        for name, bits in _NARROWER.items():
            if 2.0 ** (1 - bits) <= scene.epsilon:
                continue
            for of_reference, words in (
                (False, f"equals the reference rounded to {name}"),
                (True, f"is what the reference rounds to {name}: it keeps more digits"),
            ):
                source, target = (scene.own, scene.reference) if of_reference else (scene.reference, scene.own)
                predicted = rounded(source, name)
                changed = scene.counted & scene.differs
                if not changed.any() or not np.array_equal(predicted[scene.counted], target[scene.counted]):
                    continue
                # That a number of more digits happens to need no more than these has a chance of 2 ** -missing. One
                # that is rounded to a round number, such as 1, says little.
                missing = -np.log2(scene.epsilon) + 1 - bits
                told = digits(np.unique(target[changed]), scene.epsilon)
                speaks = float(np.sum(np.minimum(float(missing) + 8, _SPEAKS * told)))
                yield Proposal(HintKind.ROUNDING, words, predicted, of_reference=of_reference, bits=speaks, fact=True)


class Neighbours:
    """The two are equal but here and there, and differ by one rounding of numbers of their size."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose it where most elements are equal: a formula that is off would move most of them."""
        if scene.partial or scene.epsilon == 0 or not scene.counted.all() or scene.own.size < _LEAST_ELEMENTS:
            return
        changed = scene.own != scene.reference
        size = np.maximum(np.abs(scene.reference), scene.size)[changed]
        share = float(np.mean(changed))
        crowded = float(np.mean(changed[bounds(changed)])) > _MOST_CROWDED
        if not changed.any() or crowded or np.any(np.abs(scene.error[changed]) > 1.001 * scene.epsilon * size):
            return
        words = (
            f"differs by one rounding of numbers of this size, here and there ({100 * share:.3g}% of the elements): "
            "another order or precision of operations, or something just as small, such as an epsilon"
        )
        digits = 1 - float(np.log2(scene.epsilon))
        yield Proposal(HintKind.ROUNDING, words, scene.own, bits=_distinct(scene) * digits, fact=True)


class RoundedOtherwise:
    """The error is as small as a few roundings, falls to both sides, at random, and does not follow the value."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the finest dtype whose roundings explain it."""
        if scene.partial or scene.epsilon == 0 or not scene.counted.all():
            return
        for name, bits in reversed(_NARROWER.items()):
            spacing = 2.0 ** (1 - bits)
            if spacing < scene.epsilon / 2:
                continue
            narrower = spacing > 2 * scene.epsilon
            most = _steps(scene, spacing)
            if most > (_MOST_STEPS_NARROWER if narrower else _MOST_STEPS):
                continue
            if not _noise_like(scene) or (narrower and _distinct(scene) < _LEAST_ELEMENTS):
                return
            share = float(np.mean(scene.own != scene.reference))
            words = (
                f"differs as another order or precision of rounding does: at most {most:.2g} spacings of {name}, at "
                f"{100 * share:.3g}% of the elements, to both sides"
            )
            # Each element that stays within some spacings, of the whole numbers' range, says so much.
            speaks = float(_distinct(scene)) * (bits - 3)
            yield Proposal(HintKind.ROUNDING, words, scene.own, bits=speaks, fact=True)
            return


class RoundedWhole:
    """Whole numbers that differ by one here and there, as a value that is cut off differs from one that is rounded."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose it where the values are spread widely, and most of them agree or fall to both sides."""
        if scene.partial or scene.epsilon != 0:
            return
        error = scene.error
        share = float(np.mean(error != 0))
        spread = float(np.ptp(scene.reference)) if scene.reference.size else 0.0
        if np.max(np.abs(error), initial=0.0) != 1 or share > 0.75 or spread < 16:
            return
        words = f"differs by one at {100 * share:.3g}% of the elements, as whole numbers rounded otherwise do"
        speaks = float((error != 0).sum()) * 2
        yield Proposal(HintKind.ROUNDING, words, scene.own, bits=speaks, fact=True)


def rounded(values: Array, name: str) -> Array:
    """Round to a dtype, as torch does it."""
    return as_array(torch.from_numpy(np.ascontiguousarray(values)).to(getattr(torch, name)))


def _steps(scene: Scene, spacing: float) -> float:
    """Give the largest error in spacings, of an element's own size or of the mean one."""
    size = np.maximum(np.abs(scene.reference), root_mean_square(scene.reference))
    with np.errstate(all="ignore"):
        return float(np.max(np.where(scene.error == 0, 0.0, np.abs(scene.error) / (size * spacing)), initial=0.0))


def _distinct(scene: Scene) -> int:
    """Count the distinct pairs of different numbers, of a few thousand."""
    changed = scene.own != scene.reference
    pairs = np.stack([scene.own[changed], scene.reference[changed]], axis=1)
    return len(np.unique(pairs[:: max(1, len(pairs) // _SAMPLED)], axis=0))


def _noise_like(scene: Scene) -> bool:
    """Whether the errors scatter about zero, each by itself, and have little to do with the size or sign of the values.

    Rounding of a weight that many elements share leans to one side, but a formula that is off leans altogether; a
    handful of errors may lean by chance.
    """
    changed = scene.own != scene.reference
    error, value = scene.error[changed], scene.reference[changed]
    scale = root_mean_square(error)
    if scale == 0 or len(error) < 4:
        return False
    centred = value - value.mean()
    spread = float(np.sqrt(np.sum(centred**2)))
    follows = abs(float(error @ centred)) / (spread * scale * np.sqrt(len(error))) if spread > 0 else 0.0
    sides = [abs(float(part.sum())) / (scale * len(error)) for part in (error, error * np.sign(value))]
    return max(*sides, follows, *_smoothness(scene)) < max(_MOST_LEANING, _CHANCE / np.sqrt(len(error)))


def _smoothness(scene: Scene) -> Iterator[float]:
    """Give how much the errors of neighbouring elements have in common, along each axis that is long enough."""
    squares = float(np.sum(scene.error**2))
    for axis, length in enumerate(scene.own.shape):
        if length >= _LEAST_ELEMENTS:
            moved = np.moveaxis(scene.error, axis, -1)
            yield float(np.sum(moved[..., 1:] * moved[..., :-1])) / squares
