"""Elements moved along an axis: shifted, rolled around, reversed, one index for all, permuted."""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene, generator

# Lines along an axis, and elements of each, whose equals vote for a distance; equals of one that has a vote, and the
# distances that are then tried.
_LINES, _VOTERS, _MOST_EQUALS, _TRIED = 24, 32, 64, 4
_MOST_COMPARED = 1 << 22
_LONGEST_PERMUTED = 4096
# The share of the elements that may have no counterpart and yet not differ.
_MOST_UNMOVED = 0.25


class Shift:
    """The candidate is the reference moved along an axis, or along several taken in memory order.

    At least a share `least` of the elements has a counterpart; those without one are new, and mostly differ.
    """

    def __init__(self, least: float):
        self._least = least

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the distances for which matching elements vote: rolled around first, then with new ends."""
        for axes in _axes(scene):
            lines = _Lines.of(scene, axes)
            length = lines.length
            for distance in lines.distances(reverse=False):
                rolled = np.roll(lines.reference, distance, axis=1)
                yield self._proposal(scene, lines, rolled, _rolled_words(distance, length, axes))
                cut = np.full_like(rolled, np.nan)
                kept = slice(distance, None) if distance > 0 else slice(None, distance)
                cut[:, kept] = rolled[:, kept]
                new = np.isnan(lines.back(cut)) & scene.counted
                if np.sum(new & ~scene.differs) > _MOST_UNMOVED * np.sum(scene.counted):
                    continue
                yield self._proposal(scene, lines, cut, f"equals the reference {_moved(distance)} along {_named(axes)}")

    def _proposal(self, scene: Scene, lines: "_Lines", moved: Array, words: str) -> Proposal:
        return Proposal(HintKind.SHIFT, words, lines.back(moved), tries=2 * lines.length, moves=True, least=self._least)


class Reversal:
    """The candidate is the reference in the opposite order along an axis."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the turning points for which matching elements vote."""
        for axes in _axes(scene):
            lines = _Lines.of(scene, axes)
            length = lines.length
            for total in lines.distances(reverse=True):
                source = total - np.arange(length)
                inside = (source >= 0) & (source < length)
                moved = np.full_like(lines.reference, np.nan)
                moved[:, inside] = lines.reference[:, source[inside]]
                words = f"equals the reference reversed along {_named(axes)}"
                if total != length - 1:
                    words += f" (index i holds {total} - i)"
                predicted, tries = lines.back(moved), 2 * length
                yield Proposal(HintKind.REVERSAL, words, predicted, tries=tries, moves=True, least=0.5)


class Repeated:
    """The candidate does not vary along an axis along which the reference does."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the index of the reference that all have, or else say that they are all alike."""
        if scene.partial:
            return
        for axis, size in enumerate(scene.own.shape):
            own, reference = np.moveaxis(scene.own, axis, 0), np.moveaxis(scene.reference, axis, 0)
            if size < 2 or not scene.alike(own, own[:1]).all() or scene.alike(reference, reference[:1]).all():
                continue
            same = [index for index in range(size) if scene.alike(own[0], reference[index]).all()]
            if same:
                words = f"equals index {same[0]} of the reference at every index of axis {axis}"
                predicted = np.moveaxis(np.broadcast_to(reference[same[0]], own.shape), 0, axis)
                yield Proposal(HintKind.BROADCAST, words, predicted, tries=size, moves=True)
            if scene.masked:
                continue
            words = f"is the same at every index of axis {axis}, along which the reference varies"
            if np.all(own == own.flat[0]):
                words = f"is {own.flat[0]:.6g} throughout; the reference varies along axis {axis}"
            bits = 4.0 * (size - 1) * len(np.unique(own[0]))
            yield Proposal(HintKind.BROADCAST, words, scene.own, bits=bits, fact=True)


class Permutation:
    """The candidate's indices along an axis are those of the reference, in another order or some of them twice."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the match of whole slices."""
        if not scene.may_have_moved:
            return
        for axis, size in enumerate(scene.own.shape):
            if not 2 <= size <= _LONGEST_PERMUTED or scene.own.size < 4 * size:
                continue
            found = _matched(scene, axis)
            if found is None or np.array_equal(found, np.arange(size)):
                continue
            predicted = np.take(scene.reference, found, axis=axis)
            words = f"equals the reference with {_order_words(found)} along axis {axis}"
            yield Proposal(HintKind.PERMUTATION, words, predicted, tries=size, moves=True, least=0.9)


def _matched(scene: Scene, axis: int) -> NDArray[np.intp] | None:
    """Give, for each index of an axis, the one of the reference that equals it; None where one has none."""
    size = scene.own.shape[axis]
    # Masks would drown all else in a projection.
    own, reference = (
        np.maximum(np.moveaxis(side, axis, 0).reshape(size, -1), -1e6) for side in (scene.own, scene.reference)
    )
    directions = generator().standard_normal((own.shape[1], 4)) / np.sqrt(own.shape[1])
    left, right = own @ directions, reference @ directions
    slack = 1e-6 * float(np.max(np.abs(right), initial=0.0)) + 4 * scene.epsilon * scene.size
    found = np.empty(size, dtype=np.intp)
    for index, row in enumerate(left):
        distances = np.max(np.abs(right - row), axis=1)
        # Not so for NaN either.
        if not distances.min() <= slack:
            return None
        # Among equals, its own index: only what has to move, moves.
        found[index] = index if distances[index] <= slack else np.argmin(distances)
    return found


def _order_words(order: NDArray[np.intp]) -> str:
    moved = np.flatnonzero(order != np.arange(len(order)))
    if len(moved) == 2 and order[moved[0]] == moved[1] and order[moved[1]] == moved[0]:
        return f"indices {moved[0]} and {moved[1]} exchanged"
    shown = ", ".join(f"{index} from {order[index]}" for index in moved[:4])
    several = "permuted" if len(np.unique(order)) == len(order) else "taken from others"
    return f"{len(moved)} of {len(order)} indices {several} ({shown}{', ...' if len(moved) > 4 else ''})"


class _Lines:
    """Both tensors of a scene as lines along some of their axes, and the way back."""

    def __init__(self, scene: Scene, axes: tuple[int, ...]):
        self._scene, self._axes, self._last = scene, axes, tuple(range(-len(axes), 0))
        sides = [np.moveaxis(side, axes, self._last) for side in (scene.own, scene.reference)]
        self.length = int(np.prod([scene.own.shape[axis] for axis in axes]))
        self._shape = sides[0].shape
        self.own, self.reference = (side.reshape(-1, self.length) for side in sides)

    @staticmethod
    @lru_cache(maxsize=16)
    def of(scene: Scene, axes: tuple[int, ...]) -> "_Lines":
        """Give the lines; several hypotheses look at the same ones."""
        return _Lines(scene, axes)

    def back(self, lines: Array) -> Array:
        """Give lines the shape that they came from."""
        return np.moveaxis(lines.reshape(self._shape), self._last, self._axes)

    def distances(self, reverse: bool) -> list[int]:
        """Give the distances (or, reversed, sums of indices) at which differing elements have equals, best first.

        Each sampled element votes with all its equals on its line; one with many has little to say.
        """
        votes: Counter[int] = Counter()
        differing = np.flatnonzero((self.own != self.reference).any(axis=1))
        for line in differing[:: max(1, len(differing) // _LINES)][:_LINES]:
            places = np.flatnonzero(self.own[line] != self.reference[line])
            voters = max(4, min(_VOTERS, _MOST_COMPARED // self.own.size))
            for place in places[:: max(1, len(places) // voters)][:voters]:
                equal = np.flatnonzero(self._scene.alike(self.reference[line], self.own[line, place]))
                sums = place + equal if reverse else place - equal
                for found in sums if len(equal) <= _MOST_EQUALS else ():
                    votes[int(found)] += 1
        tried = [found for found, _ in votes.most_common(_TRIED + 1) if reverse or found != 0]
        return tried[:_TRIED]


def _axes(scene: Scene) -> list[tuple[int, ...]]:
    """Give the axes along which something may move: each, each two in order, and all in memory order."""
    if not scene.may_have_moved:
        return []
    long = [axis for axis, size in enumerate(scene.own.shape) if size > 1]
    found: list[tuple[int, ...]] = [(axis,) for axis in long]
    found += combinations(long, 2)
    return [*found, tuple(long)] if len(long) > 2 else found


def _named(axes: tuple[int, ...]) -> str:
    if len(axes) == 1:
        return f"axis {axes[0]}"
    return f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]} in memory order"


def _moved(distance: int) -> str:
    plural = "" if abs(distance) == 1 else "s"
    return f"{'delayed' if distance > 0 else 'advanced'} by {abs(distance)} sample{plural}"


def _rolled_words(distance: int, length: int, axes: tuple[int, ...]) -> str:
    if 2 * abs(distance) == length:
        return f"equals the reference with the first and second half exchanged along {_named(axes)}"
    return f"equals the reference {_moved(distance)} along {_named(axes)}, the end coming around to the front"
