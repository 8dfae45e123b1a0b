"""Where in a tensor an error is, in words: everywhere, one index, a range, the ends, every so manyth, one group."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parity.blame.scene import Array, Flags, Scene, plain, window_words

Places = NDArray[np.intp]
# An index of an axis that has more than this share of the squared error is where the error is.
_MOST_OF_IT = 0.9
# Equal groups that a range may be one of; of more, it is one by chance.
_MOST_GROUPS = 32
# From this share on, elements of a region differ throughout.
_THROUGHOUT = 0.95


def pattern_of(scene: Scene) -> str:
    """Say how many elements differ, and where; of a window of a larger tensor, that it is one."""
    differs = scene.differs & scene.counted
    count = int(differs.sum())
    if count == 0:
        return "no finite element differs"
    starts = [part.start for part in scene.box]
    where = [told for axis, start in enumerate(starts) if (told := _along(differs, axis, start))]
    if not where:
        where = list(_heavy(np.where(differs, scene.error, 0.0), starts))
    share = count / differs.size
    inside = float(np.mean(differs[_region(differs)]))
    whole = differs.size == 1
    amount = "its only element differs" if whole else f"{_amount(share)} of {differs.size:,} elements differ"
    told = amount + (f": {', '.join(where)}" if where else "" if whole else ", anywhere" if share < 1 else "")
    if where and inside < _THROUGHOUT:
        told += f" ({100 * inside:.3g}% of the elements there)"
    window = window_words(scene.box, scene.shape)
    return f"{told}, {window}" if window else told


def nonfinite_pattern(own: Tensor, reference: Tensor) -> str | None:
    """Say what is not a finite number on either side, and where first; None where all is, or both have the same."""
    told = []
    own, reference = plain(own), plain(reference)
    bad = ~(torch.isfinite(own) & torch.isfinite(reference))
    if torch.equal(own[bad], reference[bad]):
        return None
    for side, tensor in (("candidate", own), ("reference", reference)):
        bad = ~torch.isfinite(tensor)
        if not bad.any():
            continue
        nan = int(torch.isnan(tensor).sum())
        infinite = int(bad.sum()) - nan
        counted = ((nan, f"{nan:,} NaN"), (infinite, f"{infinite:,} infinite"))
        kinds = " and ".join(text for count, text in counted if count)
        flags = bad.cpu().numpy()
        first = [int(index) for index in np.argwhere(flags)[0]] if flags.ndim else []
        where = [place for axis in range(flags.ndim) if (place := _along(flags, axis, 0))]
        told.append(
            f"{kinds} of {tensor.numel():,} elements of the {side}, first at {first}"
            + (f" ({', '.join(where)})" if where else "")
        )
    return "; ".join(told) or None


def _amount(share: float) -> str:
    return "all" if share == 1 else f"{100 * share:.3g}%"


def _region(differs: Flags) -> tuple[Places, ...]:
    """Give the indices of each axis at which something differs, as a grid."""
    axes = range(differs.ndim)
    return np.ix_(*[np.flatnonzero(differs.any(axis=tuple(o for o in axes if o != axis))) for axis in axes])


def _along(differs: Flags, axis: int, start: int) -> str | None:
    """Say at which indices of an axis, the first being `start`, something differs; None where it is at all or none."""
    length = differs.shape[axis]
    marked = np.flatnonzero(differs.any(axis=tuple(other for other in range(differs.ndim) if other != axis)))
    if len(marked) in (0, length):
        return None
    if len(marked) == 1:
        return f"at index {start + marked[0]} of axis {axis}"
    steps = np.unique(np.diff(marked))
    first, last = int(marked[0]), int(marked[-1])
    if len(steps) == 1 and steps[0] == 1:
        return (
            f"in {start + first}..{start + last} of axis {axis}{_group(first, last + 1, length) if start == 0 else ''}"
        )
    if len(steps) == 1 and len(marked) > 2:
        return f"at every {steps[0]}th index of axis {axis} from {start + first}"
    ends = _ends(marked, length)
    return f"at {ends} of axis {axis}" if ends else f"at {len(marked)} of {length} indices of axis {axis}"


def _group(start: int, stop: int, length: int) -> str:
    """Name the equal group, a head for one, that a range is; empty where it is none."""
    size = stop - start
    if size < 2 or length % size or start % size or length // size > _MOST_GROUPS:
        return ""
    return f" (number {start // size} of {length // size} equal groups)"


def _ends(marked: Places, length: int) -> str:
    inside = np.setdiff1d(np.arange(length), marked)
    if len(inside) == 0 or len(inside) != inside[-1] - inside[0] + 1:
        return ""
    front, back = int(inside[0]), length - 1 - int(inside[-1])
    return f"the first {front} and last {back} indices" if front and back else ""


def _heavy(error: Array, starts: Sequence[int]) -> Iterator[str]:
    """Give the index that holds nearly all of an error that is spread thinly over everything else."""
    largest = float(np.max(np.abs(error), initial=0.0))
    if largest == 0:
        return
    squares = (error / largest) ** 2
    for axis, length in enumerate(error.shape):
        if length < 3:
            continue
        held = squares.sum(axis=tuple(other for other in range(error.ndim) if other != axis))
        index = int(np.argmax(held))
        if held[index] > _MOST_OF_IT * held.sum():
            place = f"index {starts[axis] + index} of axis {axis}"
            yield f"{100 * held[index] / held.sum():.3g}% of the squared error at {place}"
