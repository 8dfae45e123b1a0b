"""`ltx-parity runs`: the runs in a folder. `ltx-parity compare-runs`: what changed from one to another."""

import argparse
from pathlib import Path
from typing import Any

from parity.cli.options import factor
from parity.cli.screen import Screen
from parity.errors import ExitCode
from parity.history import Comparison, compare_runs, comparison_entry, open_run, shelf
from parity.history.compare import FACTOR
from parity.history.sheets import change_line, change_sheets, runs_sheet
from parity.report.markdown import escaped, sheet_text
from parity.report.terminal import print_sheet


def add_parser(verbs: Any) -> None:
    """Add both verbs."""
    listing: argparse.ArgumentParser = verbs.add_parser(
        "runs",
        help="list the runs in a folder",
        description="List the runs that --history kept in a folder, or that --output wrote there or one level below.",
    )
    listing.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of runs")
    listing.set_defaults(act=act_list)
    comparing: argparse.ArgumentParser = verbs.add_parser(
        "compare-runs",
        help="what got worse from one run to another",
        description="Compare two runs reading by reading. Exits with 1 where a verdict or an error got worse, and with "
        "3 where something is no longer compared.",
    )
    comparing.add_argument("before", type=Path, metavar="BEFORE", help="a run, as JSON or kept with --history")
    comparing.add_argument("after", type=Path, metavar="AFTER", help="the later run")
    comparing.add_argument("--factor", type=factor, default=FACTOR,
                           help="an error that grew by more than this is worse (default: %(default)s)")  # fmt: skip
    comparing.add_argument("--common", action="store_true", help="compare only the passes that both runs have")
    comparing.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request's comment")
    comparing.set_defaults(act=act_compare)


def act_list(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """List them; a file that is no run is said, and ends in bad input."""
    found = shelf(arguments.folder)
    if arguments.json:
        screen.json({
            "runs": [
                {
                    "path": str(run.path),
                    "when": run.brief.when,
                    "verdict": run.brief.verdict_line,
                    "exit_code": int(run.brief.exit_code),
                    "readings": len(run.brief.stands),
                    "provenance": dict(run.brief.provenance),
                }
                for run in found.runs
            ],
            "refused": [str(refusal) for refusal in found.refused],
        })  # fmt: skip
    else:
        print_sheet(screen.out, runs_sheet(found))
    for refusal in found.refused:
        screen.error(str(refusal))
    return ExitCode.BAD_INPUT if found.refused else ExitCode.WITHIN_BUDGET


def act_compare(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Compare them, and say by the exit code whether the later is worse."""
    found = compare_runs(open_run(arguments.before), open_run(arguments.after), arguments.factor, arguments.common)
    if arguments.json:
        names = str(arguments.before), str(arguments.after)
        screen.json({"factor": found.factor, "counts": _counts(found), **comparison_entry(found, names)})
        return found.exit_code
    sheets = [sheet for sheet, _ in change_sheets(found)]
    if arguments.markdown:
        screen.line("\n\n".join([f"## {escaped(change_line(found))}", *map(sheet_text, sheets)]))
        return found.exit_code
    screen.line(change_line(found))
    for sheet in sheets:
        print_sheet(screen.out, sheet)
    return found.exit_code


def _counts(found: Comparison) -> dict[str, int]:
    counts: dict[str, int] = {}
    for change in found.changes:
        counts[change.kind.value] = counts.get(change.kind.value, 0) + 1
    return {**counts, "newly not compared": len(found.uncompared), "as before": found.same}
