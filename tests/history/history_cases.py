"""Runs in brief, made by hand."""

from parity.errors import ExitCode
from parity.history.brief import Brief, Key, Pass, Stand

HOME = Pass("drift", "case", "bfloat16", "pass")


def key(tap: str, mode: str = "chained", home: Pass = HOME) -> Key:
    return Key(home, tap, mode)


def brief(stands: dict[Key, Stand], when: str = "", incomplete=()) -> Brief:
    return Brief(when, "WITHIN BUDGET: some", ExitCode.WITHIN_BUDGET, {"device": "cpu"}, stands, tuple(incomplete))


def same(error: float = 0.0) -> Stand:
    return Stand("identical", error, 0.0)


def within(error: float) -> Stand:
    return Stand("within", error, 0.5)


def over(error: float) -> Stand:
    return Stand("over", error, 2.0)
