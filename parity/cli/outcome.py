"""How a verb that judged something shows what it found."""

import argparse

from parity.calibrate.band import Bands
from parity.cli.options import existing_folder
from parity.cli.screen import Screen
from parity.errors import ExitCode
from parity.report import Report, as_report, render, to_document, write_markdown, write_report
from parity.run.record import RunResult


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the outcome is shown."""
    parser.add_argument("--details", action="store_true", help="show every case's table, identical or not")
    parser.add_argument("--output", type=existing_folder, metavar="FOLDER", help="write run.json and run.md there")


def deliver(result: RunResult, bands: Bands, arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Write and print the report as asked, with classes where there are bands, and give the verdict as an exit code."""
    report = as_report(result, bands)
    keep(report, arguments)
    if arguments.json:
        screen.json(to_document(report))
    else:
        render(report, screen.out, details=arguments.details)
    return report.exit_code


def keep(report: Report, arguments: argparse.Namespace) -> None:
    """Write the report to the folder that was asked for, if any."""
    if arguments.output is not None:
        write_report(report, arguments.output / "run.json")
        write_markdown(report, arguments.output / "run.md")
