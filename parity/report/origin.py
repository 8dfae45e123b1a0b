"""Where a divergence begins, and where errors are born."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from parity.blame import Blame
from parity.judge import Verdict
from parity.report.classes import class_of_tap
from parity.report.map_text import map_text
from parity.report.numbers import error_text, plain, share_text
from parity.report.record import ISOLATED, Figures, Measured, Report, ReportedCase, ReportedTap
from parity.report.reduction import as_report
from parity.run.record import RunResult


@dataclass(frozen=True, slots=True)
class FirstDivergence:
    """The first tap over budget, its isolated counterpart if there is one, the evidence in one sentence, the blame."""

    case: ReportedCase
    tap: ReportedTap
    isolated: ReportedTap | None
    sentence: str
    blame: Blame | None = None

    @property
    def blame_sentence(self) -> str | None:
        """What is blamed, in one sentence: it begins with the tap where the error was born earlier than it shows."""
        if self.blame is None:
            return None
        earlier = "" if self.blame.tap == self.tap.place.tap else f"at {self.blame.tap}: "
        return f"{earlier}{self.blame.sentence} ({self.blame.evidence})"


@dataclass(frozen=True, slots=True)
class Birthplace:
    """A tap at which an error arises; `share` is its part of the summed squared isolated relative errors."""

    case: ReportedCase
    tap: ReportedTap
    share: float


def first_divergence(run: RunResult | Report) -> FirstDivergence | None:
    """Give the first tap over budget with its evidence, None where there is none."""
    found = as_report(run).first_divergence
    if found is None:
        return None
    case, tap = found
    isolated = _isolated(case, tap)
    # What is over budget was measured: `ReportedTap` admits nothing else.
    measured = tap.measured
    parts = [] if measured is None else [_excess(measured), *_place_of_error(measured, tap.subject.shape)]
    blame = next((f.blame for f in case.forwards if f.name == tap.place.forward), None)
    sentence = "; ".join([*parts, _birth(tap, isolated), *_class(case, tap)])
    return FirstDivergence(case, tap, isolated, sentence, blame)


def birthplaces(cases: Iterable[ReportedCase], count: int) -> list[Birthplace]:
    """Give the taps that use most of their budget in the isolated mode, then those of largest error.

    A tap stands for all passes of its case: the worst is shown, with the share of them all. Taps without an
    isolated error are left out.
    """
    born = [(case, tap) for case in cases for tap in case.taps if tap.place.mode == ISOLATED and tap.relative_l2 != 0]
    # Scaled by the largest, so that no square overflows; NaN counts as infinite, here and in the order.
    size = {id(tap): math.inf if math.isnan(tap.relative_l2) else tap.relative_l2 for _, tap in born}
    largest = max(size.values(), default=1.0)
    weight = {key: _squared_share(error, largest) for key, error in size.items()}
    total = sum(weight.values())
    born.sort(key=lambda found: (-found[1].usage, -size[id(found[1])]))
    worst: dict[tuple[int, str], tuple[ReportedCase, ReportedTap]] = {}
    summed: dict[tuple[int, str], float] = defaultdict(float)
    for case, tap in born:
        key = id(case), _in_any_pass(tap)
        worst.setdefault(key, (case, tap))
        summed[key] += weight[id(tap)] / total
    return [Birthplace(*worst[key], summed[key]) for key in list(worst)[:count]]


def _in_any_pass(tap: ReportedTap) -> str:
    return tap.place.tap.replace(f".{tap.place.forward}.", ".", 1)


def _squared_share(error: float, largest: float) -> float:
    if math.isinf(largest):
        return float(math.isinf(error))
    return (error / largest) ** 2


def _isolated(case: ReportedCase, tap: ReportedTap) -> ReportedTap | None:
    key = tap.place.forward, tap.place.tap, ISOLATED
    return next(
        (found for found in case.taps if (found.place.forward, found.place.tap, found.place.mode) == key),
        None,
    )


def _excess(measured: Measured) -> str:
    figures = measured.figures
    told = [
        f"{plain(gate)} {error_text(figure)} against a bound of {error_text(bound)}"
        for gate, (figure, bound) in measured.exceeded.items()
        if gate not in _EXPLAINED
    ]
    told += [words for gate, words in _EXPLAINED.items() if gate in measured.exceeded]
    if measured.peer is not None:
        peer = measured.peer
        told.append(
            f"the reference's own: relative_l2 {error_text(peer.relative_l2)}, max_abs {error_text(peer.max_abs)}"
        )
    if "relative_l2" not in measured.exceeded:
        told.append(f"relative_l2 {error_text(figures.relative_l2)}, max_abs {error_text(figures.max_abs)}")
    return ", ".join(told) + _nonfinite(figures)


# Excesses of judgements that compare no figure with a bound.
_EXPLAINED = {
    "bits": "not the same bits",
    "nonfinite": "non-finite elements",
    "elements": "no element to compare",
}


def _nonfinite(figures: Figures) -> str:
    found = figures.nonfinite
    if found is None:
        return ""
    own, other = found.counts.candidate.total, found.counts.reference.total
    return f" (not finite: {own} in the candidate, {other} in the reference, first at {list(found.first)})"


def _place_of_error(measured: Measured, shape: tuple[int, ...]) -> list[str]:
    figures, told = measured.figures, []
    if figures.concentration:
        # By how far it is from even: half of the error at one of two indices is no concentration.
        at = max(figures.concentration, key=lambda found: found.share * shape[found.axis])
        told.append(f"{share_text(at.share)} of the squared error at index {at.index} of axis {at.axis}")
        told += [] if measured.map is None else map_text(measured.map, shape)
    if figures.worst:
        worst = [f"{list(at.coordinates)} {at.candidate:.6g} for {at.reference:.6g}" for at in figures.worst]
        told.append(f"worst elements {', '.join(worst)}")
    return told


def _class(case: ReportedCase, tap: ReportedTap) -> list[str]:
    found = class_of_tap(case, tap)
    return [] if found is None else [f"class {found.kind.value}: {found.evidence}"]


def _birth(tap: ReportedTap, isolated: ReportedTap | None) -> str:
    if isolated is None:
        return "not run isolated, so where it is born is open"
    error = f"isolated relative_l2 {error_text(isolated.relative_l2)}"
    if isolated is tap:
        return "seen isolated only, so it is born there"
    if isolated.verdict is Verdict.OVER:
        return f"{error} is over budget too, so it is born there"
    return f"{error} is {isolated.verdict.value}, so it is handed down from before"
