"""A run's JSON document, turned from rows into columns: the same values, which compress better by a third."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOT_MEASURED = -1
# What is left out first where a page would be too large.
_DETAIL = ("error_histogram", "ulp_histogram", "concentration", "worst", "quantiles")


def in_columns(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the document with `columns` in the place of each pass's `results`.

    `columns.reading` has one value for each reading in the order of the run, and `columns.measured` one for each that
    was measured; which readings those are, their verdict says (NOT_MEASURED elsewhere). A pass keeps only how many
    readings it has. Columns that a later schema adds are carried like any other.
    """
    short, long = document["layout"]["identical"], document["layout"]["measured"]
    rows = [row for case in document["cases"] for forward in case["forwards"] for row in forward["results"]]
    measured = [row for row in rows if len(row) != len(short)]
    verdict = long.index("verdict")
    standing = [NOT_MEASURED if len(row) == len(short) else row[verdict] for row in rows]
    columns = {
        "reading": {name: [row[at] for row in rows] for at, name in enumerate(short)} | {"verdict": standing},
        "measured": {
            name: [row[at] for row in measured] for at, name in enumerate(long) if name not in (*short, "verdict")
        },
    }
    return {**document, "cases": [_case(case) for case in document["cases"]], "columns": columns}


def without_detail(document: Mapping[str, Any], kept: int) -> Mapping[str, Any]:
    """Give a document in columns, with details of the `kept` readings that use most of their budget alone."""
    columns = document["columns"]
    usage: Sequence[float | str] = columns["measured"]["usage"]
    if kept >= len(usage):
        return document
    # "inf" and "nan" are how JSON has what is broken without measure: they come first.
    size = [math.inf if isinstance(value, str) else value for value in usage]
    chosen = set(sorted(range(len(usage)), key=lambda at: (-size[at], at))[:kept])
    thin = {
        name: [value if at in chosen else None for at, value in enumerate(column)] if name in _DETAIL else column
        for name, column in columns["measured"].items()
    }
    return {**document, "columns": {**columns, "measured": thin}}


def _case(case: Mapping[str, Any]) -> dict[str, Any]:
    forwards = [
        {key: value for key, value in forward.items() if key != "results"} | {"count": len(forward["results"])}
        for forward in case["forwards"]
    ]
    return {**case, "forwards": forwards}
