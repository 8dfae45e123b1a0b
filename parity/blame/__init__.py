"""Blame: where a wrong value was born, what pattern its error has, and what it equals instead."""

from parity.blame.record import HintKind

__all__ = ["HintKind"]
