"""Where a wrong value was born: the first tap whose error its inputs do not explain, and what is wrong there."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from parity.blame.hint import hint_among
from parity.blame.operations import Operations
from parity.blame.pattern import nonfinite_pattern, pattern_of
from parity.blame.record import Blame, Hint, HintKind
from parity.blame.scene import Known, Scene, equal, open_scene, plain
from parity.capture import Mode
from parity.taps import TapPlan, TapPoint
from parity.taps.port import Side

Values = Mapping[str, Tensor]
# Called with a tap's name and a mode: whether its error there is more than what is allowed.
Over = Callable[[str, Mode], bool]

# How much larger than the largest error before it a tap's error may be and still be handed down: blocks were measured
# to amplify a relative error by at most 1.4, a softmax or a norm of nearly nothing by more.
GAIN = 8.0
# Resolved constants have few numbers; what has more is a weight.
_MOST_CONSTANTS = 16
# Elements among which a pattern is looked for: it takes one look, where a hint takes hundreds.
_MOST_OF_PATTERN = 1 << 20
# Numbers of a constant that are shown, and values of the same name that are looked at together.
_SHOWN, _MOST_SIBLINGS = 4, 32


@dataclass(frozen=True)
class _Pass:
    """What is known of one pass."""

    plan: TapPlan
    own: Mapping[Mode, Values]
    reference: Values
    operations: Operations

    def pair(self, tap: str, mode: Mode) -> tuple[Tensor, Tensor]:
        return self.own[mode][tap], self.reference[tap]

    def known_beside(self, tap: str) -> list[Known]:
        """Give the reference's other values, each with how many taps it lies before this one."""
        names = [name for name in self.plan.names if name in self.reference]
        place = names.index(tap)
        return [
            Known(name, partial(self.reference.__getitem__, name), place - index)
            for index, name in enumerate(names)
            if name != tap
        ]


def locate(
    plan: TapPlan,
    own: Mapping[Mode, Values],
    reference: Values,
    over: Over | None = None,
    operations: Operations | None = None,
) -> Blame | None:
    """Blame the first tap whose local error is not explained by its inputs; None where nothing is wrong.

    `own` holds what the candidate showed in one mode or more. Isolated values tell a local error straight away. From
    chained ones alone, an error counts as handed down while it is not much larger than one before it. `over` says what
    is more than allowed (by default, anything but the reference's bits), `operations` what part of the model a tap
    shows. Taps that one side lacks are left out: whoever compares them has to say that they are missing.
    """
    known = _Pass(plan, own, reference, operations or Operations())
    judged = over or (lambda tap, mode: not _same(*known.pair(tap, mode)))
    if Mode.ISOLATED in own:
        born = next((tap for tap in _shared(known, Mode.ISOLATED) if judged(tap.name, Mode.ISOLATED)), None)
        if born is not None:
            return _blame(known, born, Mode.ISOLATED, "seen with the reference's inputs, so it is born there")
    chained = [tap for tap in _shared(known, Mode.CHAINED) if judged(tap.name, Mode.CHAINED)]
    if not chained:
        return None
    if Mode.ISOLATED in own:
        # Every step is right, and yet the end is off: what the steps add up to.
        return _accumulated(known, chained[0])
    errors = _errors(known)
    for tap in chained:
        before = max((errors[name] for name in _names_before(known, tap.name)), default=0.0)
        if not errors[tap.name] <= GAIN * before:
            told = f"the largest before it is {before:.1e}" if before > 0 else "nothing before it differs"
            return _blame(known, tap, Mode.CHAINED, f"seen on the candidate's own inputs; {told}")
    return _blame(known, chained[0], Mode.CHAINED, "not much larger than errors before it: it may be handed down")


def _shared(known: _Pass, mode: Mode) -> list[TapPoint]:
    values = known.own.get(mode, {})
    return [tap for tap in known.plan if tap.name in values and tap.name in known.reference]


def _names_before(known: _Pass, tap: str) -> Sequence[str]:
    names = [point.name for point in _shared(known, Mode.CHAINED)]
    return names[: names.index(tap)]


def _errors(known: _Pass) -> dict[str, float]:
    return {tap.name: _relative(*known.pair(tap.name, Mode.CHAINED)) for tap in _shared(known, Mode.CHAINED)}


def _relative(own: Tensor, reference: Tensor) -> float:
    """Give the relative L2 error; infinite where the two cannot be compared, or one is not finite alone."""
    if own.shape != reference.shape:
        return math.inf
    if _same(own, reference):
        return 0.0
    left, right = (_wide(tensor) for tensor in (own, reference))
    error, norm = float(torch.linalg.vector_norm(left - right)), float(torch.linalg.vector_norm(right))
    if not math.isfinite(error):
        return math.inf
    return error / norm if norm > 0 else math.inf if error > 0 else 0.0


def _wide(tensor: Tensor) -> Tensor:
    return plain(tensor).to(torch.float64)


def _same(own: Tensor, reference: Tensor) -> bool:
    return own.dtype == reference.dtype and equal(own, reference)


def _blame(known: _Pass, tap: TapPoint, mode: Mode, born: str) -> Blame:
    own, reference = known.pair(tap.name, mode)

    def named(text: str) -> str:
        return known.operations.named(text, tap.name, own.ndim)

    pattern, hint = _findings(known, tap, mode)
    evidence = [f"{mode.value} relative_l2 {_relative(own, reference):.1e}, {born}"]
    if hint is not None:
        left = f"{hint.residual:.1e} of the error" if hint.residual > 0 else "nothing of the error"
        evidence.append(f"the hint leaves {left} where it was verified ({min(hint.evidence, 9999):.0f} bits)")
    return Blame(
        tap=tap.name,
        part=known.operations.part(tap.name),
        pattern=named(pattern),
        hint=None if hint is None else named(hint.words),
        evidence="; ".join(evidence),
        kind=None if hint is None else hint.kind,
        mode=mode.value,
        places={implementation: str(port) for implementation, port in tap.ports.items()},
    )


def _accumulated(known: _Pass, tap: TapPoint) -> Blame:
    own, reference = known.pair(tap.name, Mode.CHAINED)
    scene = open_scene(own, reference, most=_MOST_OF_PATTERN) if own.shape == reference.shape else None
    return Blame(
        tap=tap.name,
        part=known.operations.part(tap.name),
        pattern="no pattern: shapes differ" if scene is None else pattern_of(scene),
        hint=None,
        evidence=(
            f"chained relative_l2 {_relative(own, reference):.1e}; with the reference's inputs no tap is over what is "
            "allowed, so the error is handed down and adds up: drift, not a wrong step"
        ),
        mode=Mode.CHAINED.value,
        places={implementation: str(port) for implementation, port in tap.ports.items()},
    )


def _findings(known: _Pass, tap: TapPoint, mode: Mode) -> tuple[str, Hint | None]:
    own, reference = known.pair(tap.name, mode)
    if own.shape != reference.shape:
        return f"its shape is {list(own.shape)}, the reference's is {list(reference.shape)}", None
    if _same(own, reference):
        return "no element differs from the reference's own value", None
    nonfinite = nonfinite_pattern(own, reference)
    constant = tap.ports and all(port.side is Side.ATTR for port in tap.ports.values())
    if constant and own.numel() <= _MOST_CONSTANTS:
        words = f"has {_numbers(own)} where the reference has {_numbers(reference)}: a resolved constant differs"
        return nonfinite or "a constant", Hint(HintKind.CONSTANT, words, 0.0, math.inf)
    dtypes = "" if own.dtype == reference.dtype else f", in {own.dtype} and not {reference.dtype}".replace("torch.", "")
    scene = open_scene(own, reference, most=_MOST_OF_PATTERN)
    pattern = (nonfinite or pattern_of(scene)) + dtypes
    if equal(own, reference):
        return f"all numbers are equal{dtypes}", None
    return pattern, hint_among(own, reference, known.known_beside(tap.name), _siblings(known, tap, mode))


def _numbers(tensor: Tensor) -> str:
    values = [f"{value:.6g}" for value in _wide(tensor).flatten().tolist()]
    return values[0] if len(values) == 1 else f"[{', '.join(values[:_SHOWN])}{', ...' if len(values) > _SHOWN else ''}]"


def _siblings(known: _Pass, tap: TapPoint, mode: Mode) -> list[Scene]:
    """Give the single numbers of the same name that differ too, with the values before them."""
    last = tap.name.rpartition(".")[2]
    if known.reference[tap.name].numel() != 1:
        return []
    found: list[Scene] = []
    for other in _shared(known, mode):
        own, reference = known.pair(other.name, mode)
        alike = other.name != tap.name and other.name.rpartition(".")[2] == last and own.numel() == 1
        if alike and own.shape == reference.shape and not _same(own, reference) and len(found) < _MOST_SIBLINGS:
            found.append(open_scene(own, reference, known.known_beside(other.name)))
    return found
