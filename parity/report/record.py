"""What a report keeps of a run: small, comparable for equality, and sound by construction."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from parity.blame import Blame
from parity.classify import Class, Classified
from parity.errors import BadInputError, ExitCode
from parity.judge import Rule, Verdict
from parity.judge.budget import GATES
from parity.judge.verdict import TapPlace
from parity.metrics import ErrorMap, NonFinite, WorstElement
from parity.report.noise import Noise
from parity.run.record import RunResult

CHAINED, ISOLATED = "chained", "isolated"


@dataclass(frozen=True, slots=True)
class Subject:
    """The shape and the two dtypes of a compared pair."""

    shape: tuple[int, ...]
    candidate_dtype: str
    reference_dtype: str


@dataclass(frozen=True, slots=True)
class AxisShare:
    """The index of one axis that holds the largest share of the squared error."""

    axis: int
    index: int
    share: float


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """The reference's own error at a tap, in the candidate's precision."""

    relative_l2: float
    max_abs: float


@dataclass(frozen=True, slots=True)
class NonFiniteElements:
    """Non-finite elements of both sides, at how many positions the kinds differ, and the first position."""

    counts: NonFinite
    mismatch: int
    first: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a comparison, as `TensorComparison` defines them.

    relative_l2 and max_abs, which budgets gate on, are exact; the others are rounded (see `reduction`).
    """

    relative_l2: float
    max_abs: float
    norm_reference: float
    norm_ratio: float
    mean_abs: float
    bias: float
    cosine: float
    close_fraction: float
    max_ulp: int
    quantiles: tuple[float, ...]
    error_histogram: Mapping[float, int]
    ulp_histogram: Mapping[int, int]
    concentration: tuple[AxisShare, ...]
    worst: tuple[WorstElement, ...]
    nonfinite: NonFiniteElements | None


@dataclass(frozen=True, slots=True)
class Histograms:
    """Histograms of errors and of distances in representable steps, as `TensorComparison` defines them."""

    errors: Mapping[float, int]
    ulps: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at a tap and what was allowed; `same_bits`: as the reference in the same precision.

    The worst readings of a run have a `map` of their error, and these, where the reference has another error of its own
    (a peer of other bits), `peer_histograms` of that.
    """

    figures: Figures
    peer: PeerFigures | None
    same_bits: bool
    usage: float
    bounds: Mapping[str, float]
    exceeded: Mapping[str, tuple[float, float]]
    map: ErrorMap | None = None
    peer_histograms: Histograms | None = None


@dataclass(frozen=True, slots=True)
class ReportedTap:
    """How one tap stands; `measured` is None where candidate, truth and peer are one and the same.

    `noise` is the reading's band, None where it has none. BadInputError for a verdict that its own figures contradict.
    """

    place: TapPlace
    rule: Rule
    verdict: Verdict
    subject: Subject
    measured: Measured | None
    noise: Noise | None = None

    def __post_init__(self) -> None:
        for contradiction in _contradictions(self):
            where = f"{self.place.case}/{self.place.forward}: {self.place.tap!r:.160} ({self.place.mode!r:.40})"
            raise BadInputError(where, contradiction, "a verdict that follows from its figures", "judge the run again")

    @property
    def elements(self) -> int:
        """How many elements were compared."""
        return math.prod(self.subject.shape)

    @property
    def relative_l2(self) -> float:
        """The error against the truth, relative to it."""
        return self.measured.figures.relative_l2 if self.measured else 0.0

    @property
    def usage(self) -> float:
        """The largest share of a bound that was used; infinite where no bound says by how much it is broken."""
        return self.measured.usage if self.measured else 0.0


@dataclass(frozen=True, slots=True)
class ReportedForward:
    """One pass: its taps in the order of the run, what could not be compared, the gain of each block, and the blame.

    `classes` has one class for each tap that was judged, in data-path order, and for each that could not be compared;
    None where the case is not calibrated. BadInputError for a blame on a tap that is not over its budget.
    """

    name: str
    taps: tuple[ReportedTap, ...]
    incomplete: tuple[str, ...]
    gains: Mapping[str, float]
    blame: Blame | None = None
    classes: tuple[Classified, ...] | None = None

    def __post_init__(self) -> None:
        _require_classes(self)
        for key, count in Counter((tap.place.tap, tap.place.mode) for tap in self.taps).items():
            if count > 1:
                raise BadInputError(f"{self.name!r:.80}: {key!r:.200}", "judged twice", "once", "judge the run again")
        for tap in self.taps:
            _require_home(tap, "forward pass", tap.place.forward, self.name)
        over = {tap.place.tap for tap in self.taps if tap.verdict is Verdict.OVER}
        if self.blame is not None and self.blame.tap not in over:
            where, got = f"{self.name!r:.80}: blame", f"{self.blame.tap!r:.160}, not over its budget"
            raise BadInputError(where, got, "a tap that is", "judge the run again")


@dataclass(frozen=True, slots=True)
class ReportedCase:
    """One case of one suite in one precision."""

    suite: str
    case: str
    guards: str
    dtype: str
    forwards: tuple[ReportedForward, ...]

    def __post_init__(self) -> None:
        for tap in self.taps:
            _require_home(tap, "case", tap.place.case, self.case)

    @property
    def taps(self) -> Iterator[ReportedTap]:
        """Every judged tap, in order."""
        return (tap for forward in self.forwards for tap in forward.taps)

    @property
    def incomplete(self) -> list[str]:
        """Every reason for which something of this case could not be compared."""
        return _standing((self,)).incomplete


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run; `provenance` says what was compared with what, and where."""

    cases: tuple[ReportedCase, ...]
    provenance: Mapping[str, str]

    @property
    def taps(self) -> list[ReportedTap]:
        """Every judged tap."""
        return [tap for case in self.cases for tap in case.taps]

    @property
    def incomplete(self) -> list[str]:
        """Every reason for which something could not be compared, with its case."""
        return _standing(self.cases).incomplete

    @property
    def first_divergence(self) -> tuple[ReportedCase, ReportedTap] | None:
        """The first tap over budget, in the run's own order, with its case."""
        first: object = _standing(self.cases).first_divergence
        return next(((case, tap) for case in self.cases for tap in case.taps if tap is first), None)

    @property
    def exit_code(self) -> ExitCode:
        """What the run exits with."""
        return _standing(self.cases).exit_code


def _require_classes(forward: ReportedForward) -> None:
    if forward.classes is None:
        if any(tap.noise is not None for tap in forward.taps):
            raise BadInputError(f"{forward.name!r:.80}", "bands without classes", "both or none", "judge the run again")
        return
    judged = list(dict.fromkeys(tap.place.tap for tap in forward.taps))
    classed, unjudged = forward.classes[: len(judged)], forward.classes[len(judged) :]
    missing = len(unjudged) != len(forward.incomplete) or any(one.kind is not Class.INCOMPLETE for one in unjudged)
    if missing or judged != [one.tap for one in classed]:
        got = f"{len(forward.classes)} classes, of other taps"
        raise BadInputError(f"{forward.name!r:.80}", got, "one for each tap and reason", "judge the run again")


def _standing(cases: tuple[ReportedCase, ...]) -> RunResult:
    # How a run stands is decided in one place. It looks at names, verdicts and reasons alone, which a report keeps
    # under the same names.
    return RunResult(cast(Any, cases), {})


def _require_home(tap: ReportedTap, kind: str, claimed: str, actual: str) -> None:
    if claimed != actual:
        got = f"a result of {kind} {claimed!r:.80} under {actual!r:.80}"
        raise BadInputError(f"{tap.place.tap!r:.160}", got, "results under their own name", "correct the run's records")


def _contradictions(tap: ReportedTap) -> Iterator[str]:
    over, measured = tap.verdict is Verdict.OVER, tap.measured
    if tap.elements == 0 and not over:
        yield f"{tap.verdict.value} with no element compared"
    if measured is None:
        if tap.verdict is not Verdict.IDENTICAL:
            yield f"{tap.verdict.value} without figures"
        return
    if over != bool(measured.exceeded):
        yield f"{tap.verdict.value} with {len(measured.exceeded)} bounds exceeded"
    if measured.figures.nonfinite is not None and not over:
        yield f"{tap.verdict.value} with non-finite elements"
    if not (measured.usage >= 1 if over else 0 <= measured.usage <= 1):
        yield f"{tap.verdict.value} at {measured.usage} of its budget"
    if tap.verdict is Verdict.IDENTICAL and not (measured.same_bits or measured.figures.max_abs == 0):
        yield "identical with an error that the reference does not have"
    if tap.verdict is Verdict.WITHIN and tap.rule is Rule.BIT_IDENTICAL:
        yield "within, under a rule that knows only identical"
    yield from _gate_contradictions(measured)


def _gate_contradictions(measured: Measured) -> Iterator[str]:
    for gate in GATES:
        broken, figure = measured.exceeded.get(gate), getattr(measured.figures, gate)
        if gate not in measured.bounds:
            if broken is not None:
                yield f"{gate} exceeds a bound that it does not have"
            continue
        bound = measured.bounds[gate]
        # NaN exceeds every bound, and equals itself only by `repr`.
        if (broken is not None) == (figure <= bound) or (broken and repr(broken) != repr((figure, bound))):
            yield f"{gate} {figure} against a bound of {bound}, listed as {broken}"
    if measured.bounds.keys() - set(GATES):
        yield f"bounds on {sorted(measured.bounds.keys() - set(GATES))!r:.80}"
