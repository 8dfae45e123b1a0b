"""The same elements laid out otherwise: axes swapped, parts interleaved and not one behind the other.

Each layout that is tried exchanges two digits of the elements' indices. A group of axes is written as one number of
several digits; two neighbouring ones change places (rows and columns of a flattened image, interleaved and split
halves, another order in memory), or two digits of equal size in different axes do (the rows and columns of the small
squares that a pixel shuffle lays out).
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene, generator

Indices = NDArray[np.int64]
# Elements at which layouts are compared, first few of them and then the others; the longest group of axes that is
# written in digits, and the most ways to do so.
_FEW, _SAMPLED, _LONGEST, _MOST = 10, 96, 1 << 20, 5000
_ALMOST_ALL = 0.9


class Layout:
    """The candidate holds the reference's elements in another layout."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the layouts that agree at a sample of elements, the plainest first."""
        if not scene.may_have_moved or scene.own.size < 4 or not _same_elements(scene):
            return
        places = np.flatnonzero(scene.differs)
        sample = _Sample(scene, generator().permutation(places)[:_SAMPLED])
        tried = 0
        for family in _families(scene.own.shape):
            tried += len(family)
            for index in sample.agreeing(family):
                predicted, words = family.applied(scene.reference, index), family.words(index)
                yield Proposal(HintKind.LAYOUT, words, predicted, tries=tried, moves=True, least=1.0)


def _same_elements(scene: Scene) -> bool:
    """Whether sums of both sides agree, as those of the same elements do."""
    own, reference = (np.clip(side, -1e6, 1e6) for side in (scene.own, scene.reference))
    slack = 1e-6 + scene.own.size * 4 * min(scene.epsilon, 1e-6)
    return all(
        abs(float(np.sum(own**power) - np.sum(reference**power))) <= slack * float(np.sum(np.abs(reference) ** power))
        for power in (1, 2)
    )


class _Family(Protocol):
    """Layouts of one kind, numbered."""

    def __len__(self) -> int: ...

    def sources(self, coordinates: list[Indices], chosen: Indices) -> list[Indices]:
        """Give the coordinates from which each of the chosen layouts takes the elements at some coordinates."""
        ...

    def applied(self, reference: Array, index: int) -> Array:
        """Give the reference in one of the layouts."""
        ...

    def words(self, index: int) -> str:
        """Say what one of the layouts does."""
        ...


class _Sample:
    """Elements of a scene at which layouts are compared."""

    def __init__(self, scene: Scene, places: NDArray[np.intp]):
        self._scene = scene
        self._coordinates = [part.astype(np.int64) for part in np.unravel_index(places, scene.own.shape)]
        self._own = scene.own.flat[places]

    def agreeing(self, family: _Family) -> list[int]:
        """Give the layouts that agree at (nearly) all of the elements."""
        chosen = np.arange(len(family), dtype=np.int64)
        for part in (slice(0, _FEW), slice(_FEW, None)):
            if chosen.size and self._own[part].size:
                chosen = chosen[self._agreement(family, chosen, part) > _ALMOST_ALL]
        return [int(index) for index in chosen[:4]]

    def _agreement(self, family: _Family, chosen: Indices, part: slice) -> Array:
        sources = family.sources([axis[part] for axis in self._coordinates], chosen)
        found = self._scene.reference[tuple(sources)]
        return np.asarray(np.mean(self._scene.alike(found, self._own[part]), axis=1))


def _families(shape: tuple[int, ...]) -> Iterator[_Family]:
    long = [axis for axis, size in enumerate(shape) if size > 1]
    for length in (1, 2):
        for axes in combinations(long, length):
            yield _Exchanges(shape, axes)
    for left, right in combinations(long, 2):
        yield _EqualDigits(shape, (left, right))
    for length in range(3, len(long) + 1):
        for start in range(len(long) - length + 1):
            yield _Exchanges(shape, tuple(long[start : start + length]))


class _Exchanges:
    """Ways to write the index of a group of axes as four digits, of which the middle two change places.

    With sizes (a, b, c, d), a * b * c * d the length of the group, the candidate's element (i, k, j, l) is the
    reference's (i, j, k, l).
    """

    def __init__(self, shape: tuple[int, ...], axes: tuple[int, ...]):
        self._shape, self._axes = shape, axes
        self._lengths = tuple(shape[axis] for axis in axes)
        self._sizes = np.array(_quadruples(int(np.prod(self._lengths))), dtype=np.int64).reshape(-1, 4)

    def __len__(self) -> int:
        return len(self._sizes)

    def sources(self, coordinates: list[Indices], chosen: Indices) -> list[Indices]:
        """Give the coordinates from which each of the chosen layouts takes the elements at some coordinates."""
        within = np.ravel_multi_index([coordinates[axis] for axis in self._axes], self._lengths).astype(np.int64)
        _, b, c, d = (column[:, None] for column in self._sizes[chosen].T)
        rest, inner = np.divmod(within[None], d)
        rest, second = np.divmod(rest, b)
        first, third = np.divmod(rest, c)
        moved = ((first * b + second) * c + third) * d + inner
        found = [np.broadcast_to(part[None], moved.shape) for part in coordinates]
        for axis, part in zip(self._axes, np.unravel_index(moved, self._lengths), strict=True):
            found[axis] = part
        return found

    def applied(self, reference: Array, index: int) -> Array:
        """Give the reference in one of the layouts."""
        last = tuple(range(-len(self._axes), 0))
        moved = np.moveaxis(reference, self._axes, last)
        outer = moved.shape[: moved.ndim - len(self._axes)]
        turned = moved.reshape(*outer, *self._sizes[index]).swapaxes(-3, -2)
        return np.moveaxis(turned.reshape(moved.shape), last, self._axes)

    def words(self, index: int) -> str:
        """Say what one of the exchanges does."""
        a, b, c, d = map(int, self._sizes[index])
        if len(self._axes) == 2 and (b, c) == self._lengths:
            order = "swapped" if b == c else "laid out in memory in the opposite order"
            return f"equals the reference with axes {self._axes[0]} and {self._axes[1]} {order}"
        where = f"axis {self._axes[0]}"
        if len(self._axes) > 1:
            where = f"axes {', '.join(map(str, self._axes[:-1]))} and {self._axes[-1]}, flattened,"
        if a == d == 1 and b == 2:
            return f"equals the reference with the first and second half of {where} interleaved"
        if a == d == 1 and c == 2:
            return f"equals the reference with {where} split into halves, whose elements it interleaves"
        digits = " x ".join(str(size) for size in (a, b, c, d) if size > 1)
        which = {(False, False): "the two", (True, False): "the last two", (False, True): "the first two"}
        swapped = which.get((a > 1, d > 1), "the middle two")
        return f"equals the reference with {where} read as {digits} and {swapped} swapped"


@cache
def _quadruples(length: int) -> tuple[tuple[int, int, int, int], ...]:
    """Give the ways to write a length as a * b * c * d with b and c above 1, fewest other digits first."""
    if length > _LONGEST:
        return ()
    divisors = _divisors(length)
    found = [
        (a, b, c, length // (a * b * c))
        for a in divisors
        for b in divisors
        if b > 1 and length % (a * b) == 0
        for c in divisors
        if c > 1 and length % (a * b * c) == 0
    ]
    return tuple(sorted(found, key=lambda sizes: (sizes[0] > 1) + (sizes[3] > 1))[:_MOST])


class _EqualDigits:
    """A digit of one axis exchanged with one of equal size of another."""

    def __init__(self, shape: tuple[int, ...], axes: tuple[int, int]):
        self._shape, self._axes = shape, axes
        left, right = (shape[axis] for axis in axes)
        rows = [
            (size, left // (size * before), right // (size * other))
            for size in _divisors(int(np.gcd(left, right)))[1:]
            for before in _divisors(left // size)
            for other in _divisors(right // size)
        ]
        # Whole axes first, then the last digits of both.
        rows.sort(key=lambda row: (row[0] != left or row[0] != right, row[1:] != (1, 1), -row[0]))
        self._rows = np.array(rows, dtype=np.int64).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self._rows)

    def sources(self, coordinates: list[Indices], chosen: Indices) -> list[Indices]:
        """Give the coordinates from which each of the chosen layouts takes the elements at some coordinates."""
        size, *behind = (column[:, None] for column in self._rows[chosen].T)
        split = [
            (*np.divmod(coordinates[axis][None] // weight, size), coordinates[axis][None] % weight)
            for axis, weight in zip(self._axes, behind, strict=True)
        ]
        found = [np.broadcast_to(part[None], split[0][0].shape) for part in coordinates]
        for axis, weight, (before, _, after), (_, digit, _) in zip(
            self._axes, behind, split, reversed(split), strict=True
        ):
            found[axis] = (before * size + digit) * weight + after
        return found

    def applied(self, reference: Array, index: int) -> Array:
        """Give the reference in one of the layouts."""
        size = int(self._rows[index][0])
        behind = dict(zip(self._axes, map(int, self._rows[index][1:]), strict=True))
        split: list[int] = []
        digits: list[int] = []
        for axis, length in enumerate(self._shape):
            if axis in behind:
                digits.append(len(split) + 1)
                split += [length // (size * behind[axis]), size, behind[axis]]
            else:
                split.append(length)
        return reference.reshape(split).swapaxes(*digits).reshape(self._shape)

    def words(self, index: int) -> str:
        """Say what one of the exchanges does."""
        size, *behind = map(int, self._rows[index])
        left, right = self._axes
        if size == self._shape[left] == self._shape[right]:
            return f"equals the reference with axes {left} and {right} swapped"
        if behind == [1, 1]:
            return f"equals the reference with every {size} x {size} part of axes {left} and {right} transposed"
        return (
            f"equals the reference with axes {left} and {right} cut into blocks of {behind[0]} and {behind[1]}, and "
            f"every {size} x {size} of the blocks transposed"
        )


def _divisors(number: int) -> list[int]:
    small = [part for part in range(1, int(number**0.5) + 1) if number % part == 0]
    return sorted({*small, *(number // part for part in small)})


class Strided:
    """The candidate takes every so manyth element along an axis: phases one behind the other, or interleaved.

    Unlike the digits of a layout, the length need not be a multiple of the step; what was filled up is left out.
    """

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the steps that the first elements of an axis show, and their opposites."""
        if not scene.may_have_moved:
            return
        for axis, length in enumerate(scene.own.shape):
            own, reference = (np.moveaxis(side, axis, -1).reshape(-1, length) for side in (scene.own, scene.reference))
            for step, wraps in _steps(scene, own, reference):
                source = (np.arange(length) % wraps) * step + np.arange(length) // wraps
                predicted = np.full(own.shape, np.nan)
                inside = source < length
                predicted[:, inside] = reference[:, source[inside]]
                shape = np.moveaxis(scene.own, axis, -1).shape
                words = (
                    f"equals every {step}th element of the reference along axis {axis}, from 0, then from 1, and so on"
                )
                back = np.moveaxis(predicted.reshape(shape), -1, axis)
                yield Proposal(HintKind.LAYOUT, words, back, tries=length, moves=True)


def _steps(scene: Scene, own: Array, reference: Array) -> Iterator[tuple[int, int]]:
    """Give the (step, elements until it wraps) that place the second element of some line where it is."""
    length = own.shape[1]
    if length < 6:
        return
    line = int(np.argmax(np.count_nonzero(own != reference, axis=1)))
    for step in np.flatnonzero(scene.alike(reference[line], own[line, 1]))[:8]:
        fits = -(-length // int(step)) if step > 1 else 0
        # Where the last turn was filled up, some element more or less.
        yield from ((int(step), wraps) for wraps in (fits, fits - 1, fits + 1) if 2 <= wraps < length)
