"""What became of a search for a fault: one that is in a port, or each of those that are planted to be found."""

from collections.abc import Sequence
from dataclasses import dataclass

from parity.blame.expectation import Expectation
from parity.blame.record import Blame


@dataclass(frozen=True)
class Located:
    """How a search ended: the blame (None: nothing is over what is allowed), the passes that were run until then.

    `candidate` and `reference` are the names of both in the taps' places; `incomplete` says what was not compared.
    """

    case: str
    dtype: str
    passes: int
    candidate: str
    reference: str
    blame: Blame | None
    incomplete: tuple[str, ...] = ()


@dataclass(frozen=True)
class FaultOutcome:
    """One planted fault: what is wrong, where it must be named, which hints are right, and what was found.

    `detected`: some tap is over its budget. Without `expected_hints` no value shows what is wrong. `classed` says what
    the error at the blamed tap is against the noise of the reference; None where there is no blame.
    """

    id: str
    stage: str
    wrong: str
    expected_tap: str
    expected_hints: tuple[Expectation, ...]
    detected: bool
    blame: Blame | None
    seconds: float
    incomplete: tuple[str, ...] = ()
    classed: str | None = None

    @property
    def named(self) -> bool:
        """Whether the tap that is blamed is the faulty module's."""
        return self.blame is not None and self.blame.tap == self.expected_tap

    @property
    def hinted(self) -> bool:
        """Whether the hint is one of those that what the fault does makes right: its kind, and what it states."""
        blame = self.blame
        return self.named and blame is not None and any(hint.met_by(blame) for hint in self.expected_hints)

    @property
    def misled(self) -> bool:
        """Whether there is a hint, and it is none of those."""
        return self.blame is not None and self.blame.kind is not None and not self.hinted


@dataclass(frozen=True)
class Totals:
    """A campaign counted; `classed` are those that are called a bug."""

    faults: int
    detected: int
    classed: int
    named: int
    hinted: int
    misled: int
    seconds: float

    @staticmethod
    def of(outcomes: Sequence[FaultOutcome]) -> "Totals":
        """Count outcomes."""
        return Totals(
            faults=len(outcomes),
            detected=sum(outcome.detected for outcome in outcomes),
            classed=sum(outcome.classed == "bug" for outcome in outcomes),
            named=sum(outcome.named for outcome in outcomes),
            hinted=sum(outcome.hinted for outcome in outcomes),
            misled=sum(outcome.misled for outcome in outcomes),
            seconds=sum(outcome.seconds for outcome in outcomes),
        )
