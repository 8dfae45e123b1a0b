"""What classes say in a report: of a case, of a group, of a tap."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from parity.classify import Class, Classified, worst
from parity.report.record import Report, ReportedCase, ReportedTap

# How a column of a table has them.
SHORT = {
    Class.IDENTICAL: "same",
    Class.WITHIN_NOISE: "noise",
    Class.DRIFT: "drift",
    Class.INCOMPLETE: "open",
    Class.BUG: "BUG",
}
BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One class in a report: how many taps have it, and the first of them with its case."""

    kind: Class
    behind: bool
    count: int
    case: ReportedCase
    first: Classified


def has_classes(report: Report) -> bool:
    """Whether any pass of a report has classes."""
    return any(forward.classes is not None for case in report.cases for forward in case.forwards)


def class_counts(report: Report) -> Mapping[str, int] | None:
    """Count the taps of each class; None where nothing is calibrated."""
    if not has_classes(report):
        return None
    counts = Counter(found.kind for case in report.cases for found in _of_case(case))
    return {kind.value: counts[kind] for kind in Class}


def class_of_case(case: ReportedCase) -> Class | None:
    """Give the worst class of a case; None where it is not calibrated."""
    return worst([found.kind for found in _of_case(case)])


def class_of_tap(case: ReportedCase, tap: ReportedTap) -> Classified | None:
    """Give the class of a judged tap; None where its case is not calibrated."""
    forward = next((one for one in case.forwards if one.name == tap.place.forward), None)
    return next((found for found in (forward and forward.classes) or () if found.tap == tap.place.tap), None)


def classes_of_groups(cases: Iterable[ReportedCase]) -> Mapping[str, str]:
    """Give for each group the worst class of its taps, as a column has it."""
    found: dict[str, list[Classified]] = {}
    for case in cases:
        for forward in case.forwards:
            groups = {tap.place.tap: tap.place.group for tap in forward.taps}
            for one in forward.classes or ():
                if one.tap in groups:
                    found.setdefault(groups[one.tap], []).append(one)
    return {group: _short(members) for group, members in found.items()}


def class_lines(report: Report) -> list[ClassLine]:
    """List what classes a report has beyond identical, from the worst on; what is behind a bug comes after bugs."""
    found: dict[tuple[Class, bool], list[tuple[ReportedCase, Classified]]] = {}
    for case in report.cases:
        for one in _of_case(case):
            found.setdefault((one.kind, one.behind is not None), []).append((case, one))
    order = [(Class.BUG, False), (Class.DRIFT, True), (Class.INCOMPLETE, False), (Class.DRIFT, False)]
    order.append((Class.WITHIN_NOISE, False))
    return [ClassLine(*key, len(found[key]), *found[key][0]) for key in order if key in found]


def _of_case(case: ReportedCase) -> Iterator[Classified]:
    return (one for forward in case.forwards for one in forward.classes or ())


def _short(members: list[Classified]) -> str:
    kind = worst([one.kind for one in members])
    assert kind is not None, "a group has taps"
    if kind is Class.DRIFT and all(one.behind is not None for one in members if one.kind is Class.DRIFT):
        return BEHIND
    return SHORT[kind]
