"""The tables of a report, as text for any medium."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from parity.judge import Verdict
from parity.report.classes import BEHIND, class_lines, class_of_case, classes_of_groups, has_classes
from parity.report.numbers import NOTHING, count_text, error_text, gain_text, plain, share_text, usage_text
from parity.report.origin import birthplaces
from parity.report.record import CHAINED, ISOLATED, Report, ReportedCase
from parity.report.summary import GroupLine, ModeLine, Spread, case_lines, group_lines
from parity.report.tally import Tally, tally
from parity.run.forward import Mode

FORCED = Mode.TEACHER_FORCED.value
BIRTHPLACES = 10


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether it holds numbers."""

    heading: str
    number: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: title, columns, rows of cells on one line each, and what to know when reading it."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    note: str = field(default="")


def case_sheet(report: Report) -> Sheet:
    """One row for each case, suite and precision; with the worst class of its taps where there are bands."""
    columns = [
        Column("suite/case", False),
        Column("dtype", False),
        Column("taps"),
        Column("elements"),
        Column("result", False),
    ]
    rows = [
        [
            plain(f"{line.suite}/{line.case}"),
            plain(line.dtype),
            count_text(line.tally.taps),
            count_text(line.tally.elements),
            result_text(line.tally),
        ]
        for line in case_lines(report)
    ]
    if has_classes(report):
        columns.append(Column("class", False))
        for row, case in zip(rows, report.cases, strict=True):
            kind = class_of_case(case)
            row.append(NOTHING if kind is None else kind.value)
    return Sheet("Cases", columns, rows)


def class_sheets(report: Report) -> list[Sheet]:
    """The classes that the taps of a run have beyond identical, each with its first tap and what speaks for it."""
    lines = class_lines(report)
    if not lines:
        return []
    columns = (Column("class", False), Column("taps"), Column("first", False), Column("evidence", False))
    rows = [
        (
            f"{line.kind.value} {BEHIND} a bug" if line.behind else line.kind.value,
            count_text(line.count),
            plain(f"{line.case.case}: {line.first.tap}"),
            plain(line.first.evidence),
        )
        for line in lines
    ]
    note = (
        "within noise: as far off as legitimate ways to compute the reference. drift: more, though no step makes more "
        "by itself; behind a bug: it came from there. bug: a step does. incomplete: it cannot be told."
    )
    return [Sheet("Classes", columns, rows, note)]


def drift_sheets(report: Report, details: bool = False) -> list[Sheet]:
    """The tables of errors: over all cases of a suite and precision, or, in detail, for each case and mode.

    A case in which all is one and the same has nothing to show beyond its row of the cases.
    """
    told = [case for case in report.cases if any(tap.measured for tap in case.taps)]
    sheets: list[Sheet] = []
    for suite, dtype in dict.fromkeys((case.suite, case.dtype) for case in told):
        cases = [case for case in told if (case.suite, case.dtype) == (suite, dtype)]
        title = plain(f"{suite} {dtype}")
        heading = f"Error by group: {title}, {_cases_text(cases)}"
        sheets.append(_group_sheet(heading, group_lines(cases), classes_of_groups(cases)))
        sheets += _birth_sheets(title, cases)
        if details:
            sheets += [_mode_sheet(plain(f"{suite}/{case.case} {dtype}"), group_lines([case])) for case in cases]
    return sheets


def result_text(counts: Tally) -> str:
    """Say how a case stands: the worst first."""
    if counts.all_identical:
        return "identical"
    told = (
        (counts.over, "OVER"),
        (counts.incomplete, "INCOMPLETE"),
        (counts.within, "within"),
        (counts.identical, "identical"),
    )
    return ", ".join(f"{count_text(count)} {word}" for count, word in told if count) or "nothing compared"


def _cases_text(cases: Sequence[ReportedCase]) -> str:
    return plain(cases[0].case) if len(cases) == 1 else f"{len(cases)} cases"


def _group_sheet(title: str, lines: Iterable[GroupLine], classes: Mapping[str, str]) -> Sheet:
    headings = ("chained", "max", "forced", "born", "inherit", "gain", "used")
    columns = [Column("group", False), *map(Column, headings), Column("verdict", False)]
    columns += [Column("class", False)] if classes else []
    rows = [
        (
            plain(line.group),
            _median(line.modes.get(CHAINED)),
            _largest(line.modes.get(CHAINED)),
            _median(line.modes.get(FORCED)),
            error_text(line.born.median if line.born else None),
            error_text(line.inherited.median if line.inherited else None),
            gain_text(line.gain),
            usage_text(line.usage),
            _verdict(line.tally),
            *([classes.get(line.group, NOTHING)] if classes else []),
        )
        for line in lines
    ]
    note = (
        "Relative L2 errors, medians over taps (max: the largest, chained). forced: blocks fed the reference's "
        "inputs. born: every module fed them. inherit: what chained has beyond born. gain: relative error out / in, "
        "largest pass. used: largest share of a budget, any mode; same: the reference's bits."
    )
    return Sheet(title, columns, rows, note)


def _mode_sheet(title: str, lines: Iterable[GroupLine]) -> Sheet:
    headings = ("taps", "median", "99%", "max", "used")
    columns = (Column("group", False), Column("mode", False), *map(Column, headings), Column("result", False))
    rows = [
        (
            plain(line.group),
            plain(mode),
            count_text(found.tally.taps),
            *_spread(found.errors),
            usage_text(found.usage),
            result_text(found.tally),
        )
        for line in lines
        for mode, found in line.modes.items()
    ]
    return Sheet(f"Error by group and mode: {title}", columns, rows)


def _birth_sheets(title: str, cases: Sequence[ReportedCase]) -> list[Sheet]:
    found = birthplaces(cases, BIRTHPLACES)
    if not found:
        return []
    banded = any(at.tap.noise is not None for at in found)
    columns = [Column("tap", False), Column("born"), *([Column("noise")] if banded else [])]
    columns += [Column("share"), Column("used"), Column("verdict", False)]
    rows = [
        (
            plain(f"{at.case.case}: {at.tap.place.tap}"),
            error_text(at.tap.relative_l2),
            *([error_text(at.tap.noise.bound if at.tap.noise else None)] if banded else []),
            share_text(at.share),
            usage_text(at.tap.usage),
            _verdict(tally([at.tap])),
        )
        for at in found
    ]
    note = f"The first {len(rows)} by use of budget, then by error; {ISOLATED} mode. share: of all squared errors born."
    note += " noise: what an error there may be and be noise." if banded else ""
    return [Sheet(f"Where error is born: {title}", columns, rows, note)]


def _verdict(counts: Tally) -> str:
    if counts.over:
        return "OVER"
    return "same" if counts.all_identical else Verdict.WITHIN.value


def _spread(errors: Spread) -> tuple[str, str, str]:
    return error_text(errors.median), error_text(errors.most), error_text(errors.largest)


def _median(line: ModeLine | None) -> str:
    return NOTHING if line is None else error_text(line.errors.median)


def _largest(line: ModeLine | None) -> str:
    return NOTHING if line is None else error_text(line.errors.largest)
