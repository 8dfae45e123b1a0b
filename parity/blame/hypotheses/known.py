"""Values that are another known tensor of the reference, or part of one."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Known, Scene, as_array

# Elements at which a tensor is compared before it is read as a whole; windows of a longer one that are tried, and
# tensors that are held to all elements.
_SAMPLED, _MOST_WINDOWS, _MOST = 32, 256, 4


Sampled = tuple[Array | None, Callable[[], Array], str]


class Equal:
    """The candidate is another tensor: a value handed on past a step, or one taken in the place of another."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose every known tensor of the same size that agrees at a sample, nearest first."""
        alike = [known for known in scene.known if _core(known.shape) == _core(scene.shape)]
        yield from _agreeing(scene, alike, _beside)


class EqualPart:
    """The candidate is a window of another tensor, or a part of it is the whole of another."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose every known tensor that agrees at a sample, nearest first."""
        other = [known for known in scene.known if _core(known.shape) != _core(scene.shape)]
        yield from _agreeing(scene, other, _parts)


def _agreeing(
    scene: Scene,
    known: Sequence[Known],
    sampled: Callable[[Scene, Known, NDArray[np.intp]], Iterator[Sampled]],
) -> Iterator[Proposal]:
    places = _places(scene)
    if places.size == 0:
        return
    wanted = scene.own.ravel()[places]
    found: list[tuple[Callable[[], Array], str]] = []
    samples = set()
    for tensor in sorted(known, key=lambda tensor: (abs(tensor.steps), -tensor.steps)):
        for sample, whole, words in sampled(scene, tensor, places):
            if sample is not None:
                samples.add(sample.tobytes())
                if len(found) < _MOST and _close(sample, wanted, scene.epsilon):
                    found.append((whole, words))
    for whole, words in found:
        # Among how many it was found: those that could be told apart.
        predicted = whole().reshape(scene.own.shape)
        yield Proposal(HintKind.TENSOR, words, predicted, tries=max(1, len(samples)))


def _places(scene: Scene) -> NDArray[np.intp]:
    """Give places, in memory order, at which a value is looked up: some of those that differ."""
    marked = np.flatnonzero(scene.differs & scene.counted)
    return marked[:: max(1, len(marked) // _SAMPLED)]


def _close(left: Array, right: Array, epsilon: float) -> bool:
    if left.shape != right.shape:
        return False
    near = np.abs(left - right) <= 4 * epsilon * np.maximum(np.abs(left), np.abs(right))
    return bool(np.mean(near) >= 0.9)


def _beside(scene: Scene, known: Known, places: NDArray[np.intp]) -> Iterator[Sampled]:
    """Give a tensor of the same size: its sample, a way to read the rest, and what it would be told as."""
    if known.shape == scene.shape:
        # Read at the sample alone: most tensors of a pass are of a few shapes, and hardly any of them agrees.
        yield scene.at(known, places), lambda: as_array(known.tensor[scene.box]), _told(known)
    else:
        part = as_array(known.tensor.reshape(scene.shape)[scene.box])
        yield part.ravel()[places], lambda: part, _told(known)


def _parts(scene: Scene, known: Known, places: NDArray[np.intp]) -> Iterator[Sampled]:
    """Give a whole tensor where the value is a part of one (a layer among stacked ones), or windows of a longer one."""
    if _core(known.shape) == _core(scene.own.shape):
        whole = as_array(known.tensor)
        yield whole.ravel()[places], lambda: whole, _told(known)
        return
    shape, wanted = known.shape, scene.own.shape
    if len(shape) != len(wanted):
        return
    other = [axis for axis, (size, own) in enumerate(zip(shape, wanted, strict=True)) if size != own]
    if len(other) != 1 or shape[other[0]] <= wanted[other[0]] or wanted[other[0]] == 0:
        return
    axis, length = other[0], wanted[other[0]]
    tensor = known.tensor
    for start in range(min(shape[axis] - length + 1, _MOST_WINDOWS)):
        window = as_array(tensor.narrow(axis, start, length))
        words = f"{_told(known)}, indices {start}..{start + length - 1} of its axis {axis}"
        yield window.ravel()[places], partial(_itself, window), words


def _itself(values: Array) -> Array:
    return values


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _told(known: Known) -> str:
    if known.steps > 0:
        return f"equals {known.name}, an earlier value: as if what lies between were left out"
    return f"equals {known.name}: another value taken in its place"
