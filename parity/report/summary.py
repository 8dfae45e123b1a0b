"""What tables show: counts by case, and errors by group in each mode."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.report.record import CHAINED, ISOLATED, Report, ReportedCase, ReportedTap
from parity.report.reduction import as_report
from parity.report.tally import Tally, tally
from parity.run.record import RunResult


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure spreads over taps: values that 50 %, 99 % and 100 % of them do not exceed."""

    median: float
    most: float
    largest: float


@dataclass(frozen=True, slots=True)
class ModeLine:
    """The taps of one group in one mode: their relative L2 errors, the largest use of a budget, the verdicts."""

    errors: Spread
    usage: float
    tally: Tally


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One stage part or block.

    `inherited` spreads, over the taps read both chained and isolated, what the chained error has beyond the
    isolated one. `gain` is the largest over the passes, None where no pass has one.
    """

    group: str
    modes: Mapping[str, ModeLine]
    inherited: Spread | None
    gain: float | None
    tally: Tally

    @property
    def born(self) -> Spread | None:
        """Errors that arise in this group: those of the isolated mode."""
        return self.modes[ISOLATED].errors if ISOLATED in self.modes else None

    @property
    def usage(self) -> float:
        """The largest use of a budget in any mode."""
        return max(line.usage for line in self.modes.values())


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case of one suite in one precision."""

    suite: str
    case: str
    dtype: str
    guards: str
    tally: Tally


def case_lines(run: RunResult | Report) -> list[CaseLine]:
    """Count taps, elements and verdicts by suite, case and precision, in the order of the run."""
    return [
        CaseLine(case.suite, case.case, case.dtype, case.guards, tally(case.taps, len(case.incomplete)))
        for case in as_report(run).cases
    ]


def group_lines(cases: Iterable[ReportedCase]) -> list[GroupLine]:
    """Summarise taps by group over all passes of the cases, in data-path order."""
    listed = list(cases)
    members: dict[str, list[ReportedTap]] = {group: [] for group in data_path(listed)}
    for case in listed:
        for tap in case.taps:
            members[tap.place.group].append(tap)
    inherited, gains = _inherited(listed), _gains(listed)
    return [
        GroupLine(
            group=group,
            modes=_modes(taps),
            inherited=spread(inherited[group]) if group in inherited else None,
            gain=gains.get(group),
            tally=tally(taps),
        )
        for group, taps in members.items()
    ]


def data_path(cases: Iterable[ReportedCase]) -> list[str]:
    """Give every group once, in data-path order over all cases."""
    # One with fewer blocks must not push the head before the others' blocks.
    merged: list[str] = []
    for case in cases:
        groups = dict.fromkeys(tap.place.group for tap in case.taps)
        # A stage of its own comes behind the stages before it.
        place = next((merged.index(group) for group in groups if group in merged), len(merged))
        for group in groups:
            if group not in merged:
                merged.insert(place, group)
            place = merged.index(group) + 1
    return merged


def spread(values: Sequence[float]) -> Spread:
    """Give the spread of at least one value; NaN counts as larger than anything."""
    ordered = sorted(values, key=lambda value: (math.isnan(value), value))
    median, most = (ordered[math.ceil(level * len(ordered)) - 1] for level in (0.5, 0.99))
    return Spread(median, most, ordered[-1])


def beyond(chained: float, isolated: float) -> float:
    """Give what an error has beyond another, as independent errors add up: sqrt(chained² - isolated²), or 0."""
    if not math.isfinite(chained):
        return chained
    if chained <= isolated:
        return 0.0
    # Factored, so that no square over- or underflows; a NaN on the right explains nothing.
    ratio = 0.0 if math.isnan(isolated) else isolated / chained
    return chained * math.sqrt((1 - ratio) * (1 + ratio))


def _modes(taps: Iterable[ReportedTap]) -> dict[str, ModeLine]:
    by_mode: dict[str, list[ReportedTap]] = defaultdict(list)
    for tap in taps:
        by_mode[tap.place.mode].append(tap)
    return {
        mode: ModeLine(spread([tap.relative_l2 for tap in found]), max(tap.usage for tap in found), tally(found))
        for mode, found in by_mode.items()
    }


def _inherited(cases: Iterable[ReportedCase]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for chained, isolated in _pairs(cases):
        found[chained.place.group].append(beyond(chained.relative_l2, isolated.relative_l2))
    return found


def _pairs(cases: Iterable[ReportedCase]) -> Iterator[tuple[ReportedTap, ReportedTap]]:
    for case in cases:
        for forward in case.forwards:
            isolated = {tap.place.tap: tap for tap in forward.taps if tap.place.mode == ISOLATED}
            for tap in forward.taps:
                if tap.place.mode == CHAINED and tap.place.tap in isolated:
                    yield tap, isolated[tap.place.tap]


def _gains(cases: Iterable[ReportedCase]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        for forward in case.forwards:
            for group, gain in forward.gains.items():
                found[group].append(gain)
    return {group: spread(gains).largest for group, gains in found.items()}
