"""`ltx-parity report`: show a run again from its JSON."""

import argparse
from pathlib import Path
from typing import Any

from parity.cli.screen import Screen
from parity.errors import ExitCode
from parity.report import read_report, render, to_document, to_markdown


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "report", help="show a run again", description="Show a run that was written with --output."
    )
    parser.add_argument("run", type=Path, metavar="RUN.json", help="the run to show")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request's comment")
    parser.add_argument("--details", action="store_true", help="show every table, identical or not")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Show it, and give the verdict that it had as an exit code."""
    found = read_report(arguments.run)
    if arguments.json:
        screen.json(to_document(found))
    elif arguments.markdown:
        screen.line(to_markdown(found))
    else:
        render(found, screen.out, details=arguments.details)
    return found.exit_code
