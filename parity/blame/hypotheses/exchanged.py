"""A factor and a term for each index of an axis, applied in another order, exchanged, inverted or in part.

Where the reference is a line in a known value for each index (statistics, a modulation), its factor a and term b are
solved from the reference; what the candidate made of the same a and b has nothing left to fit.
"""

from collections.abc import Callable, Iterator

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene

_NEAREST = 6
# How far the reference may be from a line for each index, in what rounding explains.
_ON_THE_LINE = 2.0

Line = Callable[[Array, Array, Array], Array]
_READINGS: tuple[tuple[str, Line], ...] = (
    ("times what the reference adds, plus what it multiplies by: factor and term exchanged", lambda x, a, b: b * x + a),
    (
        "times one plus what the reference adds, plus what it multiplies by less one: scale and shift exchanged",
        lambda x, a, b: (1 + b) * x + a - 1,
    ),
    ("with the reference's term added before the factor is applied, not after", lambda x, a, b: a * (x + b)),
    ("with the reference's term added after the factor is applied, not before", lambda x, a, b: a * x + b / a),
    ("less the reference's term, divided by its factor: the inverse is applied", lambda x, a, b: (x - b) / a),
    ("times the reference's factor, without its term", lambda x, a, b: a * x),
    ("plus the reference's term, without its factor", lambda x, a, b: x + b),
    ("times the reference's factor, less its term", lambda x, a, b: a * x - b),
)


class Exchanged:
    """The candidate makes another line of the factor and term that the reference applies to a known value."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose each reading of the factors and terms along each axis."""
        if scene.partial:
            return
        for known, x in scene.near(_NEAREST):
            for axis, size in enumerate(scene.own.shape):
                if size < 2 or scene.own.size < 2 * size:
                    continue
                line = _line(scene, scene.reference, x, axis)
                if line is None:
                    continue
                yield from self._reordered(scene, (known.name, x), axis, line)
                for words, reading in _READINGS:
                    with np.errstate(all="ignore"):
                        predicted = reading(x, *line)
                    told = f"equals {known.name} {words} (along axis {axis})"
                    yield Proposal(HintKind.PER_INDEX, told, predicted, tries=_NEAREST * len(_READINGS))

    def _reordered(
        self, scene: Scene, source: tuple[str, Array], axis: int, line: tuple[Array, Array]
    ) -> Iterator[Proposal]:
        """Propose that each index has the factor and term of another one."""
        name, x = source
        found = _line(scene, scene.own, x, axis)
        if found is None:
            return
        own, reference = (np.stack([part.ravel() for part in side], axis=1) for side in (found, line))
        order = np.argmin(np.sum(np.abs(own[:, None] - reference[None]), axis=2), axis=1)
        if np.array_equal(order, np.arange(len(order))):
            return
        factor, term = (np.take(part, order, axis=axis) for part in line)
        words = (
            f"equals {name} with the reference's factors and terms in another order along axis {axis} "
            f"({', '.join(map(str, order[:8]))}{', ...' if len(order) > 8 else ''})"
        )
        yield Proposal(HintKind.PER_INDEX, words, factor * x + term, tries=len(order) ** 2)


def _line(scene: Scene, value: Array, x: Array, axis: int) -> tuple[Array, Array] | None:
    """Give the factor and term of each index; None where the value is no such line in x."""
    others = tuple(other for other in range(x.ndim) if other != axis)
    middle = x.mean(axis=others, keepdims=True)
    wanted = value.mean(axis=others, keepdims=True)
    spread = x - middle
    norm = np.sum(spread**2, axis=others, keepdims=True)
    if not np.all(norm > 0):
        return None
    factor = np.sum(spread * (value - wanted), axis=others, keepdims=True) / norm
    term = wanted - factor * middle
    left = np.abs(factor * x + term - value)
    return (factor, term) if np.mean(left <= _ON_THE_LINE * scene.floor) > 0.95 else None
