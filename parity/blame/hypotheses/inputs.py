"""Near values of the reference beside a wrong one, and how combinations of them fit at a sample of elements."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from parity.blame.scene import Array, Known, Scene

# How many values before the one in question may be its inputs, and the elements at which they are tried.
_NEAREST, _SAMPLED = 48, 64
# What a combination may leave of the error at the sample to be tried on all elements, and how many are.
_PROMISING, _TRIED = 0.1, 8


@dataclass(frozen=True, eq=False)
class Inputs:
    """Known tensors that go together with a scene, and their values `at` a sample of its elements.

    `own`, `reference` and `floor` are the scene's at the sample; `spread` marks tensors of fewer elements than it.
    """

    scene: Scene
    known: tuple[Known, ...]
    at: Array
    own: Array
    reference: Array
    floor: float
    spread: tuple[bool, ...]

    def name(self, index: int) -> str:
        """Give the name of a tensor."""
        return self.known[index].name

    def whole(self, index: int) -> Array:
        """Give all of a tensor beside the scene."""
        part = self.scene.beside(self.known[index])
        assert part is not None, "only tensors that go together with the scene are its inputs"
        return part

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.known)

    @property
    def size(self) -> float:
        """The size of the error at the sample."""
        return float(np.linalg.norm(self.own - self.reference))

    def promising(self, left: Array) -> NDArray[np.intp]:
        """Give the places, best first, of the combinations that leave little of the error; `left` ends in elements."""
        with np.errstate(all="ignore"):
            sizes = np.where(np.isfinite(left).all(-1), np.sqrt(np.sum(left**2, axis=-1)), np.inf)
        places = np.argwhere(sizes <= max(_PROMISING * self.size, 3 * self.floor))
        order = np.argsort(sizes[tuple(places.T)], kind="stable")
        return np.asarray(places[order][:_TRIED])


@lru_cache(maxsize=4)
def inputs_of(scene: Scene) -> Inputs | None:
    """Give the near values of a scene that go together with it; None where there are none."""
    marked = np.flatnonzero(scene.differs & scene.counted)
    if marked.size == 0 or scene.masked:
        return None
    places = marked[:: max(1, -(-len(marked) // _SAMPLED))]
    found: list[tuple[Known, Array]] = []
    for known in scene.before():
        values = scene.at(known, places) if len(found) < _NEAREST else None
        if values is not None and np.isfinite(values).all() and np.any(values):
            found.append((known, values))
    if not found:
        return None
    return Inputs(
        scene,
        known=tuple(known for known, _ in found),
        at=np.stack([values for _, values in found]),
        own=scene.own.ravel()[places],
        reference=scene.reference.ravel()[places],
        floor=float(np.linalg.norm(scene.floor.ravel()[places])),
        spread=tuple(int(np.prod(known.shape)) < int(np.prod(scene.shape)) for known, _ in found),
    )


def weights_of(parts: Array, wanted: Array) -> Array:
    """Give the multiple of each part that comes closest to what is wanted."""
    norms = np.sum(parts * parts, axis=-1)
    with np.errstate(all="ignore"):
        return np.where(norms > 0, parts @ wanted / norms, 0.0)
