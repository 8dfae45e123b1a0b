"""What a hint has to say to be right about a planted fault: declared with the fault, before anything is searched.

A declaration is read from text: alternatives separated by ` | `, each a kind of hint, and behind a colon what the hint
has to state, separated by semicolons: a number (`factor: 0.5`), an axis (`shift: delayed by 1 sample; axis 2`), the
tensor that was taken (`tensor: a2v.query_shift`).
"""

import re
from dataclasses import dataclass

from parity.blame.record import Blame, HintKind

# Kinds whose hints name no number, axis or tensor of which one alone is right.
FREE = frozenset({HintKind.ZERO, HintKind.MASK, HintKind.SIGN, HintKind.ROUNDING})
# How close a number that was fitted has to be to the declared one: bfloat16 has no more digits.
_PRECISION = 5e-3
# Where axes are told, whose numbers are none of the statement's own.
_AXES = re.compile(r"\baxis \d+|\baxes [\d, ]+and \d+")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Expectation:
    """One hint that would be right: its kind, and what it has to state (numbers by value, anything else literally)."""

    kind: HintKind
    details: tuple[str, ...] = ()

    def met_by(self, blame: Blame) -> bool:
        """Whether a blame's hint is of the kind and states every detail."""
        return blame.kind is self.kind and all(_states(blame.hint or "", detail) for detail in self.details)

    def __str__(self) -> str:
        return f"{self.kind.value}: {'; '.join(self.details)}" if self.details else self.kind.value


def expectations(text: str) -> tuple[Expectation, ...]:
    """Read a declaration; empty for none. ValueError for a kind that does not exist, or that lacks what it states."""
    return tuple(_expectation(part) for part in text.split(" | ")) if text else ()


def _expectation(text: str) -> Expectation:
    word, _, rest = text.partition(": ")
    kind = HintKind(word)
    details = tuple(rest.split("; ")) if rest else ()
    if not details and kind not in FREE:
        raise ValueError(f"{text!r}: states neither a number nor an axis nor a tensor; say `{word}: ...`")
    return Expectation(kind, details)


def _states(words: str, detail: str) -> bool:
    try:
        wanted = float(detail)
    except ValueError:
        return re.search(rf"(?<!\w){re.escape(detail)}(?!\w)", words) is not None
    told = (float(number) for number in _NUMBER.findall(_AXES.sub("", words)))
    return any(abs(number - wanted) <= _PRECISION * abs(wanted) for number in told)
