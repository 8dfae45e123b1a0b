"""Values that are another known tensor of the reference, or part of one."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Known, Scene, as_array

# Elements at which a tensor is compared before it is read as a whole; windows of a longer one that are tried, and
# tensors that are held to all elements.
_SAMPLED, _MOST_WINDOWS, _MOST = 32, 256, 4


class Equal:
    """The candidate is another tensor: a value handed on past a step, or one taken in the place of another."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose every known tensor of the same size that agrees at a sample, nearest first."""
        alike = [known for known in scene.known if _core(known.shape) == _core(scene.shape)]
        yield from _agreeing(scene, alike, lambda known: _beside(scene, known))


class EqualPart:
    """The candidate is a window of another tensor, or a part of it is the whole of another."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose every known tensor that agrees at a sample, nearest first."""
        other = [known for known in scene.known if _core(known.shape) != _core(scene.shape)]
        yield from _agreeing(scene, other, lambda known: _parts(scene, known))


def _agreeing(
    scene: Scene, known: Sequence[Known], parts: Callable[[Known], Iterator[tuple[Array, str]]]
) -> Iterator[Proposal]:
    places = _places(scene)
    if places.size == 0:
        return
    wanted = scene.own.ravel()[places]
    found = []
    samples = set()
    for tensor in sorted(known, key=lambda tensor: (abs(tensor.steps), -tensor.steps)):
        for part, words in parts(tensor):
            sample = part.ravel()[places] if part.size == scene.own.size else np.empty(0)
            samples.add(sample.tobytes())
            if sample.size and _close(sample, wanted, scene.epsilon):
                found.append((part.reshape(scene.own.shape), words))
    for part, words in found[:_MOST]:
        # Among how many it was found: those that could be told apart.
        yield Proposal(HintKind.TENSOR, words, part, tries=max(1, len(samples)))


def _places(scene: Scene) -> NDArray[np.intp]:
    """Give places, in memory order, at which a value is looked up: some of those that differ."""
    marked = np.flatnonzero(scene.differs & scene.counted)
    return marked[:: max(1, len(marked) // _SAMPLED)]


def _close(left: Array, right: Array, epsilon: float) -> bool:
    if left.shape != right.shape:
        return False
    near = np.abs(left - right) <= 4 * epsilon * np.maximum(np.abs(left), np.abs(right))
    return bool(np.mean(near) >= 0.9)


def _beside(scene: Scene, known: Known) -> Iterator[tuple[Array, str]]:
    yield as_array(known.tensor.reshape(scene.shape)[scene.box]), _told(known)


def _parts(scene: Scene, known: Known) -> Iterator[tuple[Array, str]]:
    told = _told(known)
    if _core(known.shape) == _core(scene.own.shape):
        # A whole tensor where the value is a part of one: a layer among stacked ones, say.
        yield as_array(known.tensor), told
    else:
        yield from _windows(scene, known, told)


def _windows(scene: Scene, known: Known, told: str) -> Iterator[tuple[Array, str]]:
    """Give the windows of a tensor that is longer along one axis."""
    shape, wanted = known.shape, scene.own.shape
    if len(shape) != len(wanted):
        return
    other = [axis for axis, (size, own) in enumerate(zip(shape, wanted, strict=True)) if size != own]
    if len(other) != 1 or shape[other[0]] <= wanted[other[0]] or wanted[other[0]] == 0:
        return
    axis, length = other[0], wanted[other[0]]
    for start in range(min(shape[axis] - length + 1, _MOST_WINDOWS)):
        part = known.tensor.narrow(axis, start, length)
        yield as_array(part), f"{told}, indices {start}..{start + length - 1} of its axis {axis}"


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _told(known: Known) -> str:
    if known.steps > 0:
        return f"equals {known.name}, an earlier value: as if what lies between were left out"
    return f"equals {known.name}: another value taken in its place"
