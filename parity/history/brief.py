"""What is kept of each run for good: how every reading stood, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from parity.errors import ExitCode
from parity.report import Report
from parity.report.lines import verdict_line
from parity.report.reduction import FIGURE_DIGITS, significant


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of one case of one suite in one precision."""

    suite: str
    case: str
    dtype: str
    forward: str

    @property
    def words(self) -> str:
        """The pass as tables show it."""
        return f"{self.suite}/{self.case} {self.dtype} {self.forward}"


@dataclass(frozen=True, slots=True)
class Key:
    """What a reading is known by from run to run."""

    home: Pass
    tap: str
    mode: str


@dataclass(frozen=True, slots=True)
class Stand:
    """How a reading stood: its verdict (`parity.judge.Verdict`), relative error and use of its budget, to 5 digits."""

    verdict: str
    error: float
    usage: float


@dataclass(frozen=True, slots=True)
class Brief:
    """A run in brief. `when` is the UTC time at which it was kept, to the second, and empty for a run not kept.

    `incomplete` are the reasons for which something was not compared, each with its pass.
    """

    when: str
    verdict_line: str
    exit_code: ExitCode
    provenance: Mapping[str, str]
    stands: Mapping[Key, Stand]
    incomplete: tuple[tuple[Pass, str], ...]


def brief_of(report: Report, when: str = "") -> Brief:
    """Reduce a report to its brief."""
    stands: dict[Key, Stand] = {}
    incomplete: list[tuple[Pass, str]] = []
    for case in report.cases:
        for forward in case.forwards:
            home = Pass(case.suite, case.case, case.dtype, forward.name)
            incomplete += [(home, reason) for reason in forward.incomplete]
            for tap in forward.taps:
                stand = Stand(tap.verdict.value, _figure(tap.relative_l2), _figure(tap.usage))
                stands[Key(home, tap.place.tap, tap.place.mode)] = stand
    return Brief(when, verdict_line(report), report.exit_code, dict(report.provenance), stands, tuple(incomplete))


def _figure(value: float) -> float:
    return significant(value, FIGURE_DIGITS)
