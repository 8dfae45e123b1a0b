"""How many taps and elements stand how."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from parity.errors import ExitCode
from parity.judge import Verdict
from parity.report.record import Report, ReportedTap

VERDICT_WORDS = {
    ExitCode.WITHIN_BUDGET: "within budget",
    ExitCode.OVER_BUDGET: "over budget",
    ExitCode.INCOMPLETE: "incomplete",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """Taps and elements compared, taps by verdict, and reasons for which something could not be compared."""

    taps: int
    elements: int
    identical: int
    within: int
    over: int
    incomplete: int

    @property
    def all_identical(self) -> bool:
        """Whether something was compared, and all of it is identical."""
        return self.taps > 0 and self.identical == self.taps and self.incomplete == 0


def tally(taps: Iterable[ReportedTap], incomplete: int = 0) -> Tally:
    """Count taps and their elements."""
    listed = list(taps)
    verdicts = Counter(tap.verdict for tap in listed)
    return Tally(
        taps=len(listed),
        elements=sum(tap.elements for tap in listed),
        identical=verdicts[Verdict.IDENTICAL],
        within=verdicts[Verdict.WITHIN],
        over=verdicts[Verdict.OVER],
        incomplete=incomplete,
    )


def whole_tally(report: Report) -> Tally:
    """Count everything in a report."""
    return tally(report.taps, len(report.incomplete))
