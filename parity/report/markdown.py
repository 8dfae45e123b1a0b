"""A report as Markdown, for a comment on a pull request."""

import re
from collections.abc import Iterator

from parity.report.lines import divergence_lines, incomplete_lines, provenance_lines, verdict_line
from parity.report.record import Report
from parity.report.reduction import as_report
from parity.report.sheets import Sheet, case_sheet, class_sheets, drift_sheets
from parity.run.record import RunResult

# What Markdown, HTML, mentions, references, mathematics or emoji begin with. Within a word an underscore, and
# before a space a colon, mean nothing; left as they are, names stay readable in the source.
_SPECIAL = re.compile(r"[&<>|`*\[\]\\~#@$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?!\s|$)")


def to_markdown(run: RunResult | Report) -> str:
    """Give the verdict, the first divergence, what is incomplete, and the tables, with the terminal's numbers.

    BadInputError where the run's records contradict each other.
    """
    report = as_report(run)
    blocks = [f"## {escaped(verdict_line(report))}", *_divergence(report), *_incomplete(report)]
    blocks += [sheet_text(sheet) for sheet in [case_sheet(report), *class_sheets(report), *drift_sheets(report)]]
    origin = [f"- {_code(key)}: {_code(value)}" for key, value in provenance_lines(report)]
    if origin:
        blocks.append("\n".join(origin))
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Give text on one line that Markdown shows as it is."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", text)


def _code(text: str) -> str:
    # An HTML element, since no code span can hold both backticks and, in a table, a pipe.
    return f"<code>{escaped(text)}</code>"


def _divergence(report: Report) -> Iterator[str]:
    lines = divergence_lines(report)
    if lines is not None:
        where, *told = lines
        yield "\n<br>".join([f"**First divergence:** {_code(where)}", *map(escaped, told)])


def _incomplete(report: Report) -> Iterator[str]:
    reasons = incomplete_lines(report)
    if reasons:
        yield "\n".join(
            [f"**Not compared ({len(report.incomplete)}):**", "", *(f"- {_code(told)}" for told in reasons)]
        )


def sheet_text(sheet: Sheet) -> str:
    """Give one table, below its title."""
    heads = " | ".join(escaped(column.heading) for column in sheet.columns)
    rule = " | ".join("---:" if column.number else ":---" for column in sheet.columns)
    # A number needs no escape, and stands in the column of numbers as in the terminal.
    rows = (
        " | ".join(cell if column.number else _code(cell) for column, cell in zip(sheet.columns, row, strict=True))
        for row in sheet.rows
    )
    table = "\n".join(f"| {line} |" for line in (heads, rule, *rows))
    note = f"\n\n{escaped(sheet.note)}" if sheet.note else ""
    return f"### {escaped(sheet.title)}\n\n{table}{note}"
