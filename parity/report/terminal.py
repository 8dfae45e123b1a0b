"""A report in the terminal, or in a file that a terminal's output is sent to."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parity.report.lines import divergence_lines, incomplete_lines, provenance_lines, verdict_line
from parity.report.record import Report
from parity.report.reduction import as_report
from parity.report.sheets import Sheet, case_sheet, class_sheets, drift_sheets
from parity.run.record import RunResult


def render(run: RunResult | Report, console: Console, details: bool = False) -> None:
    """Print the verdict, the first divergence, what is incomplete, and the tables; `details` adds each case's.

    Nothing is told by colour alone. BadInputError where the run's records contradict each other.
    """
    report = as_report(run)
    _say(console, verdict_line(report), "bold")
    _say_divergence(console, report)
    reasons = incomplete_lines(report)
    if reasons:
        _say(console, f"\nNot compared ({len(report.incomplete)}):", "bold")
        for reason in reasons:
            _say(console, f"  {reason}")
    for sheet in [case_sheet(report), *class_sheets(report), *drift_sheets(report, details)]:
        print_sheet(console, sheet)
    for key, value in provenance_lines(report):
        _say(console, f"{key}: {value}")


def _say_divergence(console: Console, report: Report) -> None:
    lines = divergence_lines(report)
    if lines is not None:
        where, *told = lines
        _say(console, f"\nFirst divergence: {where}", "bold")
        for line in told:
            _say(console, f"  {line}")


def print_sheet(console: Console, sheet: Sheet) -> None:
    """Print one table below its title."""
    _say(console, f"\n{sheet.title}", "bold")
    table = Table(box=SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False)
    for column in sheet.columns:
        table.add_column(
            Text(column.heading),
            justify="right" if column.number else "left",
            # Where there is no room, a number cut short would read as another number.
            overflow="fold",
        )
    for row in sheet.rows:
        # As Text, names are not taken for markup.
        table.add_row(*map(Text, row))
    console.print(table)
    if sheet.note:
        _say(console, sheet.note, "dim")


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style, overflow="fold"), highlight=False)
