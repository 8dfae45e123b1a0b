"""A factor or an offset of its own for each index of one axis, or of two: other statistics, a norm over other axes."""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Flags, Scene, generator, pair_hashes

_LEAST_GROUPS = 2
# How many values before the one in question may be what something was added to.
_NEAREST = 3
# Elements that a model is tried on first.
_SAMPLED = 1 << 14
# The share of the squared error that a promising one leaves there.
_PROMISING = 0.04
# Tells the groups of equal pairs apart.
_GROUP_KEY = np.uint64(0xD6E8FEB86659FD93)


class PerIndex:
    """The candidate is the reference times, plus, or times and plus what depends on the index of some axes alone."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose factors, then offsets, then both, along one axis, then along two; then factors of what is added."""
        axes = [axis for axis, size in enumerate(scene.own.shape) if size > 1]
        if scene.partial or len(axes) < 2:
            return
        one = [(axis,) for axis in axes]
        choices = one + (list(combinations(axes, 2)) if len(axes) > 2 else [])
        for model, parameters in (("factor", 1), ("offset", 1), ("factor and an offset", 2)):
            for along in choices:
                where = " and ".join(f"axis {axis}" for axis in along)
                words = f"equals the reference with {_ARTICLE[model]} {model} of its own for each index of {where}"
                yield from _fitted(scene, along, (_MODELS[model], parameters), (None, words, 3 * len(choices)))
        for known, part in scene.near(_NEAREST):
            for along in one:
                words = (
                    f"adds to {known.name} what the reference adds, times a factor of its own for each index of axis "
                    f"{along[0]}"
                )
                yield from _fitted(scene, along, (_factor, 1), (part, words, _NEAREST * len(one)))


Model = Callable[[Array, Array, NDArray[np.intp], Flags], Array]


def _fitted(
    scene: Scene, along: tuple[int, ...], model: tuple[Model, int], told: tuple[Array | None, str, int]
) -> Iterator[Proposal]:
    """Fit a model with so many parameters to what is added to a base; on a sample first, where there are many elements.

    `told` is the base (None: zero), the words, and among how many statements this is one.
    """
    fitted, parameters = model
    base, words, tries = told
    own, reference = (scene.own, scene.reference) if base is None else (scene.own - base, scene.reference - base)
    groups = _groups(scene.own.shape, along)
    if scene.own.size > _SAMPLED:
        sample = generator().permutation(scene.own.size)[:_SAMPLED]
        some, wanted = own.ravel()[sample], reference.ravel()[sample]
        of, counted = groups.ravel()[sample], scene.counted.ravel()[sample]
        fit = _dealt(wanted, of, counted, parameters)
        if fit is not None:
            held = counted & ~fit
            left, error = (fitted(some, wanted, of, fit) - some)[held], scene.error.ravel()[sample][held]
            if not np.nansum(left**2) <= _PROMISING * np.sum(error**2):
                return
    fit = _dealt(reference, groups, scene.counted, parameters)
    if fit is not None:
        predicted = fitted(own, reference, groups, fit) + (0.0 if base is None else base)
        held = scene.counted & ~fit & ~_seen(scene, groups, fit)
        yield Proposal(HintKind.PER_INDEX, words, predicted, held, tries=tries, least=0.9)


def _seen(scene: Scene, groups: NDArray[np.intp], fit: Flags) -> Flags:
    """Mark elements that are another of their group over again: tokens of one noise level confirm nothing."""
    keys = pair_hashes(scene.own, scene.reference) ^ (groups.ravel().astype(np.uint64) * _GROUP_KEY)
    return np.isin(keys, keys[fit.ravel()]).reshape(fit.shape)


_ARTICLE = {"factor": "a", "offset": "an", "factor and an offset": "a"}


def _groups(shape: tuple[int, ...], along: tuple[int, ...]) -> NDArray[np.intp]:
    """Number the elements by their indices of some axes."""
    index = np.zeros(shape, dtype=np.intp)
    for axis in along:
        steps = np.arange(shape[axis]).reshape([-1 if other == axis else 1 for other in range(len(shape))])
        index = index * shape[axis] + steps
    return index


def _dealt(reference: Array, groups: NDArray[np.intp], counted: Flags, parameters: int) -> Flags | None:
    """Mark the elements of each group that are fitted to; None where no group has some to spare for each."""
    flat, size = groups.ravel(), np.abs(reference.ravel())
    count = int(flat.max()) + 1
    sizes = np.bincount(groups[counted], minlength=count)
    if count < _LEAST_GROUPS or np.median(sizes) < 2 * parameters:
        return None
    # Every other element in the order of its size: both halves of a group see small and large ones.
    order = np.lexsort((size, flat))
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=count))[:-1]])
    turn = np.empty(flat.size, dtype=np.intp)
    turn[order] = np.arange(flat.size) - starts[flat[order]]
    return np.asarray(counted & (turn % 2 == 0).reshape(groups.shape))


def _factor(own: Array, reference: Array, groups: NDArray[np.intp], fit: Flags) -> Array:
    with np.errstate(all="ignore"):
        factors = _sums(own * reference, groups, fit) / _sums(reference * reference, groups, fit)
    return factors[groups] * reference


def _offset(own: Array, reference: Array, groups: NDArray[np.intp], fit: Flags) -> Array:
    with np.errstate(all="ignore"):
        offsets = _sums(own - reference, groups, fit) / _sums(np.ones_like(own), groups, fit)
    return reference + offsets[groups]


def _line(own: Array, reference: Array, groups: NDArray[np.intp], fit: Flags) -> Array:
    with np.errstate(all="ignore"):
        counts = _sums(np.ones_like(own), groups, fit)
        middle, wanted = _sums(reference, groups, fit) / counts, _sums(own, groups, fit) / counts
        spread = reference - middle[groups]
        factors = _sums(own * spread, groups, fit) / _sums(spread * spread, groups, fit)
    return wanted[groups] + factors[groups] * spread


_MODELS = {"factor": _factor, "offset": _offset, "factor and an offset": _line}


def _sums(values: Array, groups: NDArray[np.intp], fit: Flags) -> Array:
    return np.asarray(np.bincount(groups[fit], weights=values[fit], minlength=int(groups.max()) + 1), dtype=np.float64)
