"""Values that are equal but at the ends of some axes: what lies beyond them was padded otherwise."""

from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Scene

# Of a shorter axis, the ends are not told from the rest: the columns of a table are no ends.
_SHORTEST = 8


class Edges:
    """Nothing differs but close to the ends of one axis, or of several."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the axes at whose ends all that differs lies."""
        # Of a part, the ends are not those of the tensor.
        if scene.partial or scene.own.shape != scene.shape:
            return
        differs = scene.differs
        shape = differs.shape
        margins = {axis: size // 4 for axis, size in enumerate(shape) if size >= _SHORTEST}
        near = {axis: _near_end(shape, axis, margin) for axis, margin in margins.items()}
        for axes in chain.from_iterable(combinations(margins, count) for count in (1, 2, 3)):
            edge = np.any([np.broadcast_to(near[axis], shape) for axis in axes], axis=0)
            if differs[~edge].any() or not (~edge).any() or not differs.any():
                continue
            # All of the ends: what differs at one place alone is not padding.
            touched = [axis for axis in axes if _share(differs, axis, margins[axis]) >= 0.5]
            if len(touched) < len(axes):
                continue
            named = " and ".join(f"axis {axis}" for axis in axes)
            words = f"differs at the ends of {named} alone: what lies beyond them is padded otherwise"
            bits = min(1e4, float((~edge).sum()) * -np.log2(max(0.5, 1 - float(differs.mean()))))
            yield Proposal(HintKind.EDGES, words, scene.own, bits=bits, fact=True)
            return


def _near_end(shape: tuple[int, ...], axis: int, margin: int) -> np.ndarray:
    index = np.arange(shape[axis])
    near = (index < margin) | (index >= shape[axis] - margin)
    return near.reshape([-1 if other == axis else 1 for other in range(len(shape))])


def _share(differs: np.ndarray, axis: int, margin: int) -> float:
    """Give the share of elements that differ in the outermost slices of an axis, on the side where it is smaller."""
    moved = np.moveaxis(differs, axis, 0)
    return float(min(moved[0].mean(), moved[-1].mean()))
