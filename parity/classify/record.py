"""How one tap stands against the noise of the reference, with the evidence in a sentence."""

from dataclasses import dataclass
from enum import Enum


class Class(Enum):
    """What an error is.

    IDENTICAL: none, the reference's own bits. WITHIN_NOISE: one that legitimate ways to compute the reference make
    too. DRIFT: more than that in the end, but its own step makes no more than noise: it accumulated, or a bug
    upstream sent it (then `behind` names that). BUG: a step makes more than noise by itself. INCOMPLETE: it cannot be
    told.
    """

    IDENTICAL = "identical"
    WITHIN_NOISE = "within noise"
    DRIFT = "drift"
    BUG = "bug"
    INCOMPLETE = "incomplete"


# From the best to the worst: what a group of taps is, is what its worst tap is.
SEVERITY = (Class.IDENTICAL, Class.WITHIN_NOISE, Class.DRIFT, Class.INCOMPLETE, Class.BUG)


@dataclass(frozen=True)
class Classified:
    """One tap, its class, and the numbers that say so.

    `behind` names the bug upstream that an error beyond noise comes from, where the tap's own step makes none.
    """

    tap: str
    kind: Class
    evidence: str
    behind: str | None = None


def worst(found: list[Class]) -> Class | None:
    """Give the worst of some classes; None of none."""
    return max(found, key=SEVERITY.index, default=None)
