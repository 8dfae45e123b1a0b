"""What the page is told of a run: its document in columns, and the sentences and tables of the terminal."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from parity.errors import BadInputError
from parity.html.columns import in_columns, without_detail
from parity.report import Report, to_document
from parity.report.bins import ERROR_EDGES, ULP_EDGES
from parity.report.lines import divergence_lines, incomplete_lines, provenance_lines, verdict_line
from parity.report.numbers import count_text
from parity.report.sheets import Sheet, case_sheet, class_sheets, drift_sheets
from parity.report.summary import data_path
from parity.run.maps import MAPPED

# With the plotting library (1.4 MB) and base64's third on top, a page stays below 5 MB.
LARGEST = 2_500_000
# The highest level takes four times as long for a fiftieth less.
_LEVEL = 6


def payload(
    report: Report,
    extras: Mapping[str, Any] | None = None,
    largest: int = LARGEST,
    document: Mapping[str, Any] | None = None,
) -> bytes:
    """Give a page's data, deflated; where that is larger than `largest`, less detail is kept, and the page says so.

    `extras` are further entries: a `comparison`, a `history`; `document` is what `to_document` gives of the report,
    where it was made already. The same report gives the same bytes. BadInputError
    where a text has no exact UTF-8 form, or even without any detail the data are too large.
    """
    table = in_columns(to_document(report) if document is None else document)
    page = {
        "title": "ltx-parity",
        "lines": _lines(report),
        "sheets": [sheet_value(sheet) for sheet in [case_sheet(report), *class_sheets(report), *drift_sheets(report)]],
        "groups": data_path(report.cases),
        "edges": {"error": [*ERROR_EDGES[:-1], "inf"], "ulp": [*ULP_EDGES[:-1], "inf"]},
        **(extras or {}),
    }
    kept = count = len(table["columns"]["measured"]["usage"])
    while True:
        told = {"mapped": MAPPED, "left_out": _left_out(kept, count)}
        packed = _packed({**page, "run": without_detail(table, kept), "kept": told})
        if len(packed) <= largest:
            return packed
        if not kept:
            raise BadInputError("report", f"{len(packed)} bytes of data", f"at most {largest}", "report on fewer cases")
        kept //= 2


def sheet_value(sheet: Sheet) -> dict[str, Any]:
    """Give a table as JSON."""
    columns = [{"heading": column.heading, "number": column.number} for column in sheet.columns]
    return {"title": sheet.title, "columns": columns, "rows": [list(row) for row in sheet.rows], "note": sheet.note}


def _lines(report: Report) -> dict[str, Any]:
    return {
        "verdict": verdict_line(report),
        "divergence": divergence_lines(report),
        "incomplete": incomplete_lines(report),
        "provenance": provenance_lines(report),
    }


def _left_out(kept: int, count: int) -> str:
    if kept == count:
        return "Nothing was kept of this."
    return (
        f"Left out to keep this page small: only the {count_text(kept)} readings that use most of their budget, of "
        f"{count_text(count)}, have it here. The run's JSON has it for all."
    )


def _packed(value: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return zlib.compress(text.encode("utf-8"), _LEVEL)
    except ValueError as error:
        raise BadInputError("report", str(error)[:80], "texts with an exact UTF-8 form", "correct the run") from error
