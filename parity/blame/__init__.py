"""Blame: where a wrong value was born, what pattern its error has, and what it equals instead."""

from parity.blame.campaign import FaultOutcome, Located, Totals
from parity.blame.expectation import Expectation, expectations
from parity.blame.explain import Explainer
from parity.blame.hint import hint_for
from parity.blame.locate import locate
from parity.blame.operations import Operations
from parity.blame.record import Blame, Hint, HintKind

__all__ = [
    "Blame",
    "Expectation",
    "Explainer",
    "FaultOutcome",
    "Hint",
    "HintKind",
    "Located",
    "Operations",
    "Totals",
    "expectations",
    "hint_for",
    "locate",
]
