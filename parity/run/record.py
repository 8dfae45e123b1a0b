"""What a run found, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from parity.blame import Blame
from parity.errors import ExitCode
from parity.judge import TapResult, Verdict


@dataclass(frozen=True)
class ForwardResult:
    """One pass: every judged tap in data-path order within each mode, and what could not be compared.

    `gains` maps a block's group to how much it amplifies an error of its inputs (relative to relative);
    a block that received no error has none. `blame` is for the first pass of a run that is over budget.
    """

    name: str
    taps: tuple[TapResult, ...]
    incomplete: tuple[str, ...]
    gains: Mapping[str, float] = field(default_factory=dict)
    blame: Blame | None = None


@dataclass(frozen=True)
class CaseResult:
    """One case of one suite in one precision; `release` is the reference's, empty where a model has none.

    `elsewhere`: the reference was recorded on another machine, whose arithmetic no band of this one speaks of.
    """

    suite: str
    case: str
    guards: str
    dtype: str
    forwards: tuple[ForwardResult, ...]
    release: str = ""
    elsewhere: bool = False


@dataclass(frozen=True)
class RunResult:
    """A whole run; `provenance` says what was compared with what, and where."""

    cases: tuple[CaseResult, ...]
    provenance: Mapping[str, str]

    @property
    def taps(self) -> list[TapResult]:
        """Every judged tap."""
        return [tap for case in self.cases for forward in case.forwards for tap in forward.taps]

    @property
    def incomplete(self) -> list[str]:
        """Every reason for which something could not be compared, with each pass that compared nothing."""
        found = [] if self.cases else ["no case ran; expected one or more; widen the choice of suites and cases"]
        for case in self.cases:
            at = f"{case.suite}/{case.case}/{case.dtype}"
            if not case.forwards:
                found.append(f"{at}: no pass ran; expected one or more; give the case passes")
            for forward in case.forwards:
                silent = not forward.taps and not forward.incomplete
                nothing = [f"{forward.name}: no tap compared; expected one or more; declare taps for this pass"]
                found += [f"{at}: {reason}" for reason in (nothing if silent else forward.incomplete)]
        return found

    @property
    def first_divergence(self) -> TapResult | None:
        """The first tap over budget: chained before forced, cases and passes in order, then the data path."""
        over = [tap for tap in self.taps if tap.verdict is Verdict.OVER]
        chained = [tap for tap in over if tap.place.mode == "chained"]
        return next(iter(chained or over), None)

    @property
    def exit_code(self) -> ExitCode:
        """Over budget outranks incomplete; a run that compared nothing is incomplete."""
        if self.first_divergence is not None:
            return ExitCode.OVER_BUDGET
        if self.incomplete or not self.taps:
            return ExitCode.INCOMPLETE
        return ExitCode.WITHIN_BUDGET
