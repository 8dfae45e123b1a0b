"""How a verb that judged something shows what it found."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from parity.calibrate.band import Bands
from parity.cli.options import existing_folder
from parity.cli.screen import Screen
from parity.errors import ExitCode
from parity.history import Brief, brief_of, history_entry, keep, shelf
from parity.html import require_plots, write_html
from parity.report import Report, as_report, render, sealed_document, to_document, write_document, write_markdown
from parity.run.record import RunResult


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the outcome is shown."""
    add = parser.add_argument
    add("--details", action="store_true", help="show every case's table, identical or not")
    add("--output", type=existing_folder, metavar="FOLDER", help="write run.json, run.md and run.html there")
    add("--html", type=Path, metavar="FILE.html", help="write the report as one page for a browser")
    add("--history", type=existing_folder, metavar="FOLDER",
        help="keep the run there in brief, and show earlier ones in the page")  # fmt: skip


def require_pages(arguments: argparse.Namespace) -> None:
    """Ask before anything is run whether a page can be written then: BadInputError if not."""
    if arguments.html is not None or arguments.output is not None:
        require_plots()


def deliver(result: RunResult, bands: Bands, arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Write and print the report as asked, with classes where there are bands, and give the verdict as an exit code."""
    report = as_report(result, bands)
    retain(report, arguments, screen)
    if arguments.json:
        screen.json(sealed_document(report))
    else:
        render(report, screen.out, details=arguments.details)
    return report.exit_code


def retain(report: Report, arguments: argparse.Namespace, screen: Screen) -> None:
    """Write the report where it was asked for, if anywhere."""
    pages = [path for path in (arguments.html, arguments.output and arguments.output / "run.html") if path]
    document = to_document(report) if pages else {}
    if arguments.output is not None:
        write_document(document, arguments.output / "run.json")
        write_markdown(report, arguments.output / "run.md")
    brief = None if arguments.history is None else brief_of(report)
    told = {} if brief is None or not pages else past(brief, arguments.history, screen)
    for page in pages:
        write_html(report, page, told, document)
        screen.note(f"page: {page}")
    if brief is not None:
        keep(brief, arguments.history, datetime.now(UTC))


def past(run: Report | Brief, folder: Path, screen: Screen) -> dict[str, object]:
    """Give what a page tells of the runs in a folder; what cannot be read there is said, and left out."""
    found = shelf(folder)
    for refusal in found.refused:
        screen.note(f"left out of the history: {refusal}")
    return {"history": history_entry(run, [run.brief for run in found.runs])}
