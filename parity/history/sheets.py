"""Runs and comparisons as tables, for any medium."""

import math

from parity.errors import ExitCode
from parity.history.brief import Stand
from parity.history.compare import IMPROVEMENTS, REGRESSIONS, Change, Comparison, Kind
from parity.history.shelf import Shelf
from parity.report.numbers import NOTHING, count_text, counted, error_text, plain
from parity.report.sheets import Column, Sheet

SHOWN = 20
_WORDS = {ExitCode.WITHIN_BUDGET: "NO WORSE", ExitCode.OVER_BUDGET: "WORSE", ExitCode.INCOMPLETE: "INCOMPLETE"}


def runs_sheet(found: Shelf) -> Sheet:
    """One row for each run, oldest first, named by its place in the folder."""
    columns = (
        Column("when", False),
        Column("verdict", False),
        Column("readings"),
        Column("over"),
        Column("run", False),
    )
    rows = [
        (
            plain(run.brief.when) or NOTHING,
            plain(run.brief.verdict_line.partition(":")[0]),
            count_text(len(run.brief.stands)),
            count_text(sum(stand.verdict == "over" for stand in run.brief.stands.values())),
            plain(str(run.path.relative_to(found.folder))),
        )
        for run in found.runs
    ]
    return Sheet(plain(f"Runs in {found.folder}"), columns, rows)


def change_line(found: Comparison) -> str:
    """Say in one line whether the later run is worse, and what changed."""
    worse, better = found.of(*REGRESSIONS), found.of(*IMPROVEMENTS)
    told = f"{counted(len(worse), 'reading')} worse, {count_text(len(better))} better"
    lost = (
        f"{count_text(len(found.of(Kind.LOST)))} no longer read, {count_text(len(found.uncompared))} newly not compared"
    )
    rest = f"{count_text(len(found.of(Kind.ADDED)))} new, {count_text(found.same)} as before"
    return f"{_WORDS[found.exit_code]}: {told}, {lost}, {rest}"


def change_sheets(found: Comparison) -> list[tuple[Sheet, list[Change | None]]]:
    """The tables of a comparison, each with the changes that its rows show."""
    groups = (
        ("What got worse", REGRESSIONS),
        ("What is no longer read", (Kind.LOST,)),
        ("What got better", IMPROVEMENTS),
    )
    tables: list[tuple[Sheet, list[Change | None]]] = []
    for title, kinds in groups:
        changes = sorted(found.of(*kinds), key=lambda change: kinds.index(change.kind))
        if changes:
            tables.append((_change_sheet(title, changes), [*changes[:SHOWN]]))
    if found.uncompared:
        rows = [(plain(home.words), plain(reason)) for home, reason in found.uncompared[:SHOWN]]
        sheet = Sheet(
            "Newly not compared", (Column("pass", False), Column("reason", False)), rows, _rest(found.uncompared)
        )
        tables.append((sheet, [None] * len(rows)))
    return tables


def _change_sheet(title: str, changes: list[Change]) -> Sheet:
    headings = (Column("tap", False), Column("pass", False), Column("mode", False), Column("change", False))
    columns = (*headings, Column("before"), Column("after"), Column("ratio"))
    rows = [
        (
            plain(change.key.tap),
            plain(change.key.home.words),
            plain(change.key.mode),
            change.kind.value,
            _stand(change.before),
            _stand(change.after),
            NOTHING if math.isnan(change.ratio) else f"{change.ratio:.2g}",
        )
        for change in changes[:SHOWN]
    ]
    return Sheet(title, columns, rows, _rest(changes))


def _stand(stand: Stand | None) -> str:
    return NOTHING if stand is None else f"{error_text(stand.error)} {stand.verdict}"


def _rest(listed: list[Change] | tuple[object, ...]) -> str:
    return f"The first {SHOWN} of {count_text(len(listed))}." if len(listed) > SHOWN else ""
