"""Values related element by element: a square, another logarithm, a clamp left out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.numbers import shown
from parity.blame.record import HintKind
from parity.blame.scene import Array, Flags, Scene

_NEAREST, _SAMPLED = 12, 256
# What a function may leave of the error at the sample to be tried on all elements.
_PROMISING = 0.1
_LEAST_CLIPPED = 2

Function = Callable[[Array], Array]


@dataclass(frozen=True)
class _Named:
    """A function of one number, with its inverse where it has one."""

    words: str
    of: Function
    back: Function | None = None


_OUTER = (
    _Named("{}", lambda x: x, lambda x: x),
    _Named("the exponential of {}", np.exp, np.log),
    _Named("the logarithm of {}", np.log, np.exp),
    _Named("the reciprocal of {}", lambda x: 1 / x, lambda x: 1 / x),
    _Named("the square of {}", np.square, np.sqrt),
)
_INNER = (
    _Named("{}", lambda x: x),
    _Named("the square of {}", np.square),
    _Named("the square root of {}", np.sqrt),
    _Named("the absolute value of {}", np.abs),
    _Named("the exponential of {}", np.exp),
    _Named("the logarithm of {}", np.log),
    _Named("the reciprocal of {}", lambda x: 1 / x),
    _Named("the hyperbolic tangent of {}", np.tanh),
    _Named("the logistic function of {}", lambda x: 1 / (1 + np.exp(-x))),
    _Named("the positive part of {}", lambda x: np.maximum(x, 0)),
)


class Elementwise:
    """The candidate, or its exponential, logarithm, reciprocal or square, is a line in a function of a value.

    The value is the reference, or a near known one. Elements at which the reference stands at one of its bounds are
    left out: a clamp has hidden what they were.
    """

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose what fits at a sample."""
        free = scene.counted & ~_at_bounds(scene.reference)
        fit = np.flatnonzero(free & scene.fitted)
        if len(fit) < 4:
            return
        fit = fit[:: max(1, len(fit) // _SAMPLED)]
        sources = [("the reference", scene.reference)]
        sources += [(known.name, part) for known, part in scene.near(_NEAREST) if part.shape == scene.own.shape]
        tries = len(sources) * len(_OUTER) * len(_INNER)
        for name, source in sources:
            for outer in _OUTER:
                for inner in _INNER:
                    # Lines in the reference itself, and known values times a constant, are told more plainly elsewhere.
                    if not (inner.words == outer.words == "{}"):
                        yield from self._fitted(scene, (name, source), (inner, outer), (fit, free, tries))

    def _fitted(
        self,
        scene: Scene,
        named: tuple[str, Array],
        functions: tuple[_Named, _Named],
        sample: tuple[np.ndarray, Flags, int],
    ) -> Iterator[Proposal]:
        (name, source), (inner, outer), (fit, free, tries) = named, functions, sample
        if outer.back is None:
            return
        with np.errstate(all="ignore"):
            x, y = inner.of(source.flat[fit]), outer.of(scene.own.flat[fit])
            limit = max(_PROMISING * np.linalg.norm(scene.error.flat[fit]), 2 * np.linalg.norm(scene.floor.flat[fit]))
            # The function alone, and then with a factor and an offset.
            for line in ((1.0, 0.0), _line(x, y)):
                if line is None:
                    continue
                factor, offset = line
                left = outer.back(factor * x + offset) - scene.own.flat[fit]
                if not np.linalg.norm(left) <= limit:
                    continue
                told = _line_words(factor, inner.words.format(name), offset)
                words = (
                    f"equals {told}" if outer.words == "{}" else f"is such that {outer.words.format('it')} is {told}"
                )
                predicted = outer.back(factor * inner.of(source) + offset)
                held = free & ~scene.fitted
                yield Proposal(HintKind.FUNCTION, words, predicted, held, tries=2 * tries, least=0.9)


class Unclamped:
    """The reference is the candidate held within bounds that the candidate exceeds, or the other way round."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose both, with the bounds that the held side shows."""
        for free, held, of_reference in (
            (scene.own, scene.reference, True),
            (scene.reference, scene.own, False),
        ):
            values = held[scene.counted]
            if values.size == 0 or scene.masked:
                continue
            lowest, highest = float(values.min()), float(values.max())
            if not np.any((values > lowest) & (values < highest)):
                continue
            predicted = np.clip(free, lowest, highest)
            beyond = scene.counted & scene.differs & (predicted != free)
            if beyond.sum() < _LEAST_CLIPPED or beyond.sum() < 0.98 * (scene.counted & scene.differs).sum():
                continue
            told = [] if lowest == float(np.min(free[scene.counted])) else [f"below {shown(lowest)}"]
            told += [] if highest == float(np.max(free[scene.counted])) else [f"above {shown(highest)}"]
            subject = "goes" if of_reference else "does not go"
            words = f"{subject} {' and '.join(told)}, where the reference {'does not' if of_reference else 'does'}"
            bits = 1.5 * float(beyond.sum())
            yield Proposal(HintKind.FUNCTION, words, predicted, of_reference=of_reference, bits=bits)


def _at_bounds(values: Array) -> Flags:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(values.shape, dtype=np.bool_)
    found = np.zeros(values.shape, dtype=np.bool_)
    for bound in (finite.min(), finite.max()):
        at = values == bound
        # One element is always the largest; several are held there.
        if at.sum() > _LEAST_CLIPPED:
            found |= at
    return found


def _line(x: Array, y: Array) -> tuple[float, float] | None:
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    spread = x - x.mean()
    norm = float(spread @ spread)
    if norm == 0 or not np.isfinite(norm):
        return None
    factor = float(y @ spread) / norm
    offset = float(y.mean() - factor * x.mean())
    # Numbers that a formula would have are taken for them.
    size = float(np.abs(y).max())
    if abs(offset) < 1e-6 * size:
        offset = 0.0
        factor = float(y @ x) / float(x @ x)
    return (1.0 if abs(factor - 1) < 1e-4 else factor), offset


def _line_words(factor: float, source: str, offset: float) -> str:
    told = source if factor == 1 else f"{shown(factor)} times {source}"
    if offset == 0:
        return told
    return f"{told} {'plus' if offset > 0 else 'minus'} {shown(abs(offset))}"
