"""Two tensors laid open for hypotheses: what differs, what rounding explains, what is fitted and what is verified."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Box = tuple[slice, ...]

# Elements that are looked at; of larger tensors, a window in which they differ.
MOST_ELEMENTS = 1 << 16
# Values that are looked up in the reference, and the share of them that something moved would be found there.
_LOOKED_UP, _LEAST_FOUND = 256, 0.12
# Elements up to which a box that is a little smaller than the whole is looked at too.
_SMALL = 4096
# Taps before a value that may have been its inputs.
_FARTHEST = 400
# Distinct pairs up to which fitted and verified ones take turns; beyond, a hash of their bits deals them out.
_FEW_PAIRS = 64
_SEED = 20260305


class Known:
    """A tensor of the reference that a wrong value may have been made from.

    `steps` is how many taps it lies before the value in question (behind it where negative). It is read when it is
    asked for, and a large one each time: the tensors of a dump need not fit into memory.
    """

    def __init__(self, name: str, read: Callable[[], Tensor], steps: int):
        self.name, self.steps, self._read = name, steps, read
        self._kept: Tensor | None = None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Its shape; a complex tensor has one more axis, of its two parts."""
        return tuple(self.tensor.shape)

    @property
    def tensor(self) -> Tensor:
        """The tensor itself."""
        if self._kept is not None:
            return self._kept
        found = plain(self._read())
        if found.numel() <= MOST_ELEMENTS:
            self._kept = found
        return found


@dataclass(frozen=True, eq=False)
class Scene:
    """A candidate's value beside the reference's, or a box of both, in float64.

    `box` is what of the whole tensors they are, `within` the same in words (empty: all). `counted` marks the elements
    that a statement has to explain; where it leaves some out, the scene is `partial`. `epsilon` is the spacing of the
    coarser dtype of the two, 0 for whole numbers. `siblings` are values of the same name elsewhere in the pass that
    differ too: a single number says little, several that agree on what is wrong say more.
    """

    own: Array
    reference: Array
    counted: Flags
    epsilon: float
    lowest: float
    box: Box
    shape: tuple[int, ...]
    known: tuple[Known, ...] = ()
    within: str = ""
    partial: bool = False
    siblings: tuple["Scene", ...] = ()

    @cached_property
    def error(self) -> Array:
        """Candidate minus reference; 0 where they are equal, infinities among them."""
        with np.errstate(invalid="ignore"):
            return np.where(self.own == self.reference, 0.0, self.own - self.reference)

    @cached_property
    def differs(self) -> Flags:
        """Where the two differ: by more than rounding, if most of it is that and a few differ by much more."""
        raw = self.own != self.reference
        if self.epsilon == 0:
            return raw
        size = np.maximum(np.maximum(np.abs(self.own), np.abs(self.reference)), self.size)
        with np.errstate(invalid="ignore"):
            steps = np.abs(self.error) / (self.epsilon * size + 1e-300)
        large = steps > _ROUNDING_STEPS
        # Where a few are large, what is left of a filter's or a kernel's tail must not blur where they are.
        few = 0 < large.sum() < raw.sum() / 2
        return large if few and np.max(steps, initial=0.0) > 16 * _ROUNDING_STEPS else raw

    @cached_property
    def masked(self) -> bool:
        """Whether the lowest number of the dtype, which masks, stands anywhere."""
        return bool(self.lowest > -np.inf and min(self.own.min(), self.reference.min()) <= self.lowest / 2)

    def alike(self, values: Array, wanted: Array | float) -> Flags:
        """Say where values are those wanted: equal, but for what another machine makes of them.

        Sums of float32 in another order err by the size of their terms; narrower numbers may be rounded to a neighbour.
        """
        of_terms = 4 * self.epsilon * self.size if self.epsilon < 1e-5 else 0.0
        of_itself = 1e-6 if self.epsilon < 1e-5 else 1.001 * self.epsilon
        return np.abs(values - wanted) <= of_itself * np.abs(wanted) + of_terms

    @cached_property
    def may_have_moved(self) -> bool:
        """Whether a fair share of the values that differ stand elsewhere in the reference."""
        changed = self.own[self.differs & self.counted]
        changed = changed[:: max(1, len(changed) // _LOOKED_UP)]
        if self.partial or not changed.size:
            return False
        sorted_values = np.sort(self.reference[np.isfinite(self.reference)])
        place = np.searchsorted(sorted_values, changed)
        beside = [sorted_values[np.clip(place + step, 0, len(sorted_values) - 1)] for step in (-1, 0)]
        return bool(np.mean(self.alike(beside[0], changed) | self.alike(beside[1], changed)) >= _LEAST_FOUND)

    @cached_property
    def size(self) -> float:
        """The root mean square of the reference, masked elements left out."""
        return root_mean_square(self.reference[self.reference > self.lowest / 2] if self.masked else self.reference)

    @cached_property
    def floor(self) -> Array:
        """How far rounding alone may move each element: one spacing of its own size, or of a quarter of the mean."""
        size = np.maximum(np.abs(self.own), np.abs(self.reference))
        return np.maximum(size, self.size / 4) * self.epsilon + (self.epsilon == 0) * 0.25

    @cached_property
    def fitted(self) -> Flags:
        """Elements that parameters are fitted to; the other counted ones verify. Equal pairs are on one side."""
        hashed = pair_hashes(self.own, self.reference)
        found, turn = np.unique(hashed, return_inverse=True)
        if len(found) > _FEW_PAIRS:
            return (hashed & 1).astype(bool).reshape(self.own.shape)
        # Dealt out in the order of the error, so that both sides see all sizes.
        order = np.argsort(np.argsort([self.error.ravel()[turn == index][0] for index in range(len(found))]))
        return (order[turn] % 2 == 0).reshape(self.own.shape)

    @property
    def held(self) -> Flags:
        """Elements that verify what was fitted to the others."""
        return self.counted & ~self.fitted

    def beside(self, known: Known) -> Array | None:
        """Give a known tensor's part beside this box, spread to its shape; None where the shapes do not go together."""
        cut = self._beside(known)
        return None if cut is None else np.broadcast_to(as_array(cut), self.own.shape)

    def at(self, known: Known, places: NDArray[np.intp]) -> Array | None:
        """Give a known tensor's values beside some places of this box (in memory order), without reading the rest."""
        cut = self._beside(known)
        if cut is None:
            return None
        coordinates = np.unravel_index(places, self.own.shape)[self.own.ndim - cut.ndim :] if cut.ndim else ()
        index = [np.zeros_like(part) if size == 1 else part for part, size in zip(coordinates, cut.shape, strict=True)]
        found = cut[tuple(torch.from_numpy(part) for part in index)] if index else cut
        return np.broadcast_to(as_array(found), places.shape)

    def _beside(self, known: Known) -> Tensor | None:
        shape = known.shape
        behind = len(self.shape) - len(shape)
        if behind < 0 or any(size not in (1, own) for size, own in zip(shape, self.shape[behind:], strict=True)):
            return None
        box = self.box[behind:]
        return known.tensor[tuple(slice(None) if size == 1 else part for size, part in zip(shape, box, strict=True))]

    def before(self) -> list[Known]:
        """Give the known tensors that may have been the value's inputs, nearest first."""
        return sorted((known for known in self.known if 0 < known.steps <= _FARTHEST), key=lambda known: known.steps)

    def near(self, most: int) -> Iterator[tuple[Known, Array]]:
        """Give the known tensors closest before the value that go together with it, and their parts beside it."""
        for known in self.before():
            part = self.beside(known) if most > 0 else None
            if part is not None and np.isfinite(part).all():
                most -= 1
                yield known, part

    def scopes(self) -> Iterator["Scene"]:
        """Give the whole, then the box that bounds what differs, then the differing elements alone, where smaller."""
        yield self
        box = bounds(self.differs)
        inner = self.within_box(box)
        smaller = 0 < inner.own.size < (0.95 if self.own.size > _SMALL else 1) * self.own.size
        if smaller:
            yield inner
        rest = inner if smaller else self
        if rest.counted.any() and float(np.mean(rest.differs[rest.counted])) < 0.95:
            words = f"at the {int(rest.differs.sum()):,} elements that differ"
            yield replace(rest, within=words, partial=True).counting_differing()

    def counting_differing(self) -> "Scene":
        """Give the same scene, with the differing elements alone to explain."""
        return replace(self, counted=self.counted & self.differs)

    def within_box(self, box: Box) -> "Scene":
        """Give a part of the scene."""
        words = [
            _place_words(axis, slice(whole.start + part.start, whole.start + part.stop))
            for axis, (part, whole, size) in enumerate(zip(box, self.box, self.own.shape, strict=True))
            if part.stop - part.start < size
        ]
        outer = tuple(
            slice(whole.start + part.start, whole.start + part.stop) for whole, part in zip(self.box, box, strict=True)
        )
        return replace(
            self,
            own=self.own[box],
            reference=self.reference[box],
            counted=self.counted[box],
            box=outer,
            within=" ".join(words) or self.within,
        )


# Differences of more spacings than this are taken for more than rounding.
_ROUNDING_STEPS = 4.0


def _place_words(axis: int, part: slice) -> str:
    if part.stop - part.start > 1:
        return f"in {part.start}..{part.stop - 1} of axis {axis}"
    return f"at index {part.start} of axis {axis}"


def plain(tensor: Tensor) -> Tensor:
    """Give a tensor of numbers that torch compares: of complex ones the parts, as a last axis; 8-bit ones wider."""
    if tensor.is_complex():
        return torch.view_as_real(tensor.resolve_conj())
    return tensor.float() if tensor.is_floating_point() and tensor.element_size() == 1 else tensor


def equal(own: Tensor, reference: Tensor) -> bool:
    """Whether two tensors hold the same numbers, whatever their dtypes."""
    left, right = plain(own), plain(reference)
    if left.shape != right.shape:
        return False
    return torch.equal(left, right) if left.dtype == right.dtype else torch.equal(left.double(), right.double())


def open_scene(own: Tensor, reference: Tensor, known: Sequence[Known] = (), most: int = MOST_ELEMENTS) -> Scene:
    """Lay two tensors of one shape open; a larger pair is cut to a window of `most` elements in which they differ."""
    kinds = [tensor.dtype for tensor in (own, reference) if tensor.is_floating_point() or tensor.is_complex()]
    own, reference = plain(own), plain(reference)
    box = _window(own, reference, most)
    left, right = as_array(own[box]), as_array(reference[box])
    counted = np.isfinite(left) & np.isfinite(right)
    return Scene(
        own=left,
        reference=right,
        counted=counted,
        epsilon=max((torch.finfo(kind).eps for kind in kinds), default=0.0),
        lowest=max((torch.finfo(kind).min for kind in kinds), default=-np.inf),
        box=box,
        shape=tuple(own.shape),
        known=tuple(known),
        within=window_words(box, tuple(own.shape)),
    )


def window_words(box: Box, shape: tuple[int, ...]) -> str:
    """Say which part of a tensor a box is; empty for all of it."""
    if box == tuple(slice(0, size) for size in shape):
        return ""
    return f"in the window [{', '.join(f'{part.start}:{part.stop}' for part in box)}] that was looked at"


def as_array(tensor: Tensor) -> Array:
    """Give a tensor's numbers in float64, exactly for every dtype of 53 bits or fewer."""
    return np.asarray(plain(tensor).detach().to("cpu", torch.float64).numpy())


def root_mean_square(values: Array) -> float:
    """Give the root mean square of the finite ones of some numbers, without overflow; 0 of none."""
    finite = values[np.isfinite(values)]
    largest = float(np.max(np.abs(finite), initial=0.0))
    return largest * float(np.sqrt(np.mean((finite / largest) ** 2))) if largest > 0 else 0.0


def bounds(flags: Flags) -> Box:
    """Give the smallest box that holds all flagged elements; an empty one where there are none."""
    found = []
    for axis in range(flags.ndim):
        marked = np.flatnonzero(flags.any(axis=tuple(other for other in range(flags.ndim) if other != axis)))
        found.append(slice(int(marked[0]), int(marked[-1]) + 1) if marked.size else slice(0, 0))
    return tuple(found)


def generator() -> np.random.Generator:
    """Give the generator of every random choice of an analysis: the same tensors draw the same blame."""
    return np.random.default_rng(_SEED)


def pair_hashes(own: Array, reference: Array) -> NDArray[np.uint64]:
    """Give each pair of elements, in memory order, a number that equal pairs share."""
    pairs = np.stack([own.ravel(), reference.ravel()], axis=1)
    bits = pairs.view(np.uint64).reshape(len(pairs), 2)
    with np.errstate(over="ignore"):
        mixed = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15) + bits[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(32)))


def _window(own: Tensor, reference: Tensor, most: int) -> Box:
    """Halve the longest axis until few elements are left, keeping the half in which a sample differs more."""
    box = [slice(0, size) for size in own.shape]
    kept: list[int] | None = None
    while _size(box) > most:
        axis = max(range(len(box)), key=lambda index: box[index].stop - box[index].start)
        part = box[axis]
        middle = (part.start + part.stop) // 2
        halves = (slice(part.start, middle), slice(middle, part.stop))
        counts = [_differing(own, reference, (*box[:axis], half, *box[axis + 1 :])) for half in halves]
        if not any(counts):
            # Too few differ to be met by a sample: one of them has to be looked for.
            kept = _first_difference(own, reference) if kept is None else kept
            counts = [int(half.start <= kept[axis] < half.stop) for half in halves]
        box[axis] = halves[1] if counts[1] > 2 * counts[0] else halves[0]
    return tuple(box)


def _size(box: Sequence[slice]) -> int:
    return int(np.prod([part.stop - part.start for part in box], dtype=np.int64))


def _differing(own: Tensor, reference: Tensor, box: Sequence[slice]) -> int:
    stride = max(1, round((_size(box) / MOST_ELEMENTS * 4) ** (1 / max(1, len(box)))))
    sample = tuple(slice(part.start, part.stop, stride) for part in box)
    return int((own[sample] != reference[sample]).sum())


def _first_difference(own: Tensor, reference: Tensor) -> list[int]:
    place = int((own != reference).flatten().to(torch.uint8).argmax())
    return [int(index) for index in np.unravel_index(place, tuple(own.shape))]
