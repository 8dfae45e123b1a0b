"""`ltx-parity report`: show a run again from its JSON."""

import argparse
from pathlib import Path
from typing import Any

from parity.cli import outcome
from parity.cli.options import existing_folder
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.history import brief_of, compare_runs, comparison_entry, open_run
from parity.html import write_html
from parity.report import Report, read_report, render, sealed_document, to_markdown


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "report", help="show a run again", description="Show a run that was written with --output."
    )
    parser.add_argument("run", type=Path, metavar="RUN.json", help="the run to show")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request's comment")
    parser.add_argument(
        "--html", type=Path, metavar="FILE.html", help="write one page for a browser, and print no table"
    )
    parser.add_argument("--against", type=Path, metavar="RUN.json", help="show in the page what changed since this run")
    parser.add_argument(
        "--history", type=existing_folder, metavar="FOLDER", help="show in the page the runs kept there"
    )
    parser.add_argument("--details", action="store_true", help="show every table, identical or not")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Show it, and give the verdict that it had as an exit code."""
    if arguments.html is None and (arguments.against is not None or arguments.history is not None):
        raise BadInputError("report", "--against or --history alone", "--html FILE.html too", "say where the page goes")
    found = read_report(arguments.run)
    if arguments.html is not None:
        write_html(found, arguments.html, _extras(found, arguments, screen))
    if arguments.json:
        screen.json(sealed_document(found))
    elif arguments.markdown:
        screen.line(to_markdown(found))
    elif arguments.html is not None:
        screen.line(f"page: {arguments.html}")
    else:
        render(found, screen.out, details=arguments.details)
    return found.exit_code


def _extras(found: Report, arguments: argparse.Namespace, screen: Screen) -> dict[str, object]:
    extras: dict[str, object] = {}
    if arguments.against is not None:
        compared = compare_runs(open_run(arguments.against), brief_of(found))
        extras["comparison"] = comparison_entry(compared, (str(arguments.against), str(arguments.run)))
    if arguments.history is not None:
        extras |= outcome.past(found, arguments.history, screen)
    return extras
