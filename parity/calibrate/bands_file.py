"""The file that bands are kept in: one stage, small, readable line by line, and read strictly."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.calibrate.reading import AGAINST, COLUMNS, FIGURES
from parity.errors import BadInputError, ParityError
from parity.run.forward import Mode
from parity.store import strict_json
from parity.store.whole_file import publish

SCHEMA = "ltx-parity/bands/1"
# Shares of the readings of an ensemble that the stored quantiles are not exceeded by; the last is all of them.
QUANTILES = (0.05, 0.5, 0.95, 1.0)
DIGITS = 3
_MODES = tuple(mode.value for mode in Mode)
PLACES = tuple((mode, against) for mode in _MODES for against in AGAINST)
_KEYS = ("schema", "stage", "release", "provenance", "cases", "layout", "ratios", "cells", "floors", "taps")
_NEXT = "calibrate again"

# For each of COLUMNS the quantiles of its readings, at `levels`.
Cell = tuple[tuple[float, ...], ...]
Place = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """The bands of the taps that a pattern names, in one precision: a cell for each (mode, against)."""

    tap: str
    dtype: str
    runs: int
    floors: tuple[float, ...]
    cells: Mapping[Place, Cell]


@dataclass(frozen=True)
class BandsFile:
    """All bands of a stage; `cases` maps each calibrated case to its precisions and the runs of each.

    `ratios` has for each precision and (mode, against, column) by how much the most of an ensemble is exceeded in
    others.
    """

    stage: str
    release: str
    provenance: Mapping[str, str]
    cases: Mapping[str, Mapping[str, int]]
    ratios: Mapping[str, Mapping[tuple[str, str, str], float]]
    rows: tuple[Row, ...]


def levels(column: str) -> tuple[float, ...]:
    """Give the shares that the kept quantiles of a column belong to: the most alone of what is no figure."""
    return QUANTILES if column in FIGURES else QUANTILES[-1:]


def write_bands(file: BandsFile, path: Path) -> None:
    """Write the file whole or not at all; numbers are kept to three digits, none of them rounded down."""
    publish(path, encode(file).encode())


def encode(file: BandsFile) -> str:
    """Give the text of the file: JSON with one row on a line, the same for the same bands."""
    cells: dict[str, int] = {}
    floors: dict[str, int] = {}
    rows = [
        json.dumps([row.tap, row.dtype, row.runs, _index(floors, row.floors)]
                   + [_index(cells, [value for column in row.cells[place] for value in column]) for place in PLACES])
        for row in file.rows
    ]  # fmt: skip
    parts = {
        "schema": json.dumps(SCHEMA),
        "stage": json.dumps(file.stage),
        "release": json.dumps(file.release),
        "provenance": json.dumps(dict(file.provenance)),
        "cases": _lines([f"{json.dumps(case)}: {json.dumps(dict(runs))}" for case, runs in file.cases.items()], "{}"),
        "layout": json.dumps(_layout()),
        "ratios": json.dumps({dtype: _nested(found) for dtype, found in file.ratios.items()}),
        "cells": _lines(list(cells), "[]"),
        "floors": _lines(list(floors), "[]"),
        "taps": _lines(rows, "[]"),
    }
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {parts[key]}" for key in _KEYS) + "\n}\n"


def _nested(ratios: Mapping[tuple[str, str, str], float]) -> list[list[list[float]]]:
    return [[[_rounded(ratios[mode, against, column]) for column in COLUMNS] for against in AGAINST] for mode in _MODES]


def _layout() -> dict[str, Any]:
    return {
        "taps": ["pattern", "dtype", "runs", "floors", *(" against ".join(place) for place in PLACES)],
        "columns": list(COLUMNS),
        "quantiles": [list(levels(column)) for column in COLUMNS],
    }


def _lines(items: list[str], brackets: str) -> str:
    return brackets[0] + "\n" + ",\n".join(items) + "\n" + brackets[1]


def _index(table: dict[str, int], numbers: Any) -> int:
    return table.setdefault("[" + ",".join(_up(number) for number in numbers) + "]", len(table))


def _rounded(ratio: float) -> float:
    """Give a ratio to two digits behind the point, rounded up."""
    return math.ceil(ratio * 100 - 1e-9) / 100


def _up(number: float) -> str:
    """Write a number to DIGITS significant digits, rounded up."""
    if number == 0:
        return "0"
    if not math.isfinite(number):
        return '"inf"'
    step = math.floor(math.log10(number)) - DIGITS + 1
    digits = math.ceil(number / 10.0**step - 1e-9)
    return f"{digits}e{step}" if step else str(digits)


def read_bands(path: Path) -> BandsFile:
    """Read what `write_bands` wrote; BadInputError for anything else."""
    try:
        document = strict_json.decode(str(path), path.read_bytes())
    except OSError as error:
        raise BadInputError(str(path), error.strerror or "unreadable", "a file of bands", "check the path") from error
    except ParityError as error:
        raise BadInputError(str(path), error.got, "a file of bands", _NEXT) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        got = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise BadInputError(str(path), f"schema {got!r:.60}", repr(SCHEMA), _NEXT)
    try:
        return _decoded(document)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadInputError(str(path), f"malformed ({type(error).__name__}: {error!s:.80})", "bands", _NEXT) from error


def _decoded(document: dict[str, Any]) -> BandsFile:
    if tuple(document) != _KEYS or document["layout"] != _layout():
        raise ValueError(f"keys {sorted(document)!r:.60} or layout of another version")
    cells, floors = [_cell(found) for found in document["cells"]], [_numbers(found) for found in document["floors"]]
    rows = tuple(_row(row, cells, floors) for row in document["taps"])
    twice = len(rows) - len({(row.tap, row.dtype) for row in rows})
    if twice:
        raise ValueError(f"{twice} rows are there twice")
    ratios = {dtype: _ratios(found) for dtype, found in document["ratios"].items()}
    if {row.dtype for row in rows} - ratios.keys():
        raise ValueError("a precision without ratios")
    cases = {case: {dtype: _count(runs) for dtype, runs in found.items()} for case, found in document["cases"].items()}
    texts = {str(key): str(value) for key, value in document["provenance"].items()}
    return BandsFile(str(document["stage"]), str(document["release"]), texts, cases, ratios, rows)


def _ratios(found: list[list[list[Any]]]) -> dict[tuple[str, str, str], float]:
    read = {
        (mode, against, column): _number(found[m][a][c])
        for m, mode in enumerate(_MODES)
        for a, against in enumerate(AGAINST)
        for c, column in enumerate(COLUMNS)
    }
    if any(not 1 <= ratio < math.inf for ratio in read.values()):
        raise ValueError("a ratio below 1")
    return read


def _row(row: list[Any], cells: list[Cell], floors: list[tuple[float, ...]]) -> Row:
    tap, dtype, runs, floor, *places = row
    if not (isinstance(tap, str) and isinstance(dtype, str) and len(places) == len(PLACES)):
        raise ValueError(f"row {row!r:.60}")
    found = {place: cells[_count(at, 0)] for place, at in zip(PLACES, places, strict=True)}
    if len(floors[floor]) != len(COLUMNS):
        raise ValueError(f"floors of {tap!r:.60}")
    return Row(tap, dtype, _count(runs), floors[_count(floor, 0)], found)


def _cell(numbers: list[Any]) -> Cell:
    found, at = [], 0
    for column in COLUMNS:
        count = len(levels(column))
        found.append(_numbers(numbers[at : at + count]))
        at += count
        if len(found[-1]) != count or list(found[-1]) != sorted(found[-1]):
            raise ValueError(f"cell {numbers!r:.60}")
    if at != len(numbers):
        raise ValueError(f"cell {numbers!r:.60}")
    return tuple(found)


def _numbers(values: list[Any]) -> tuple[float, ...]:
    return tuple(_number(value) for value in values)


def _number(value: Any) -> float:
    if value == "inf":
        return math.inf
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"number {value!r:.60}")
    return float(value)


def _count(value: Any, least: int = 1) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"count {value!r:.60}")
    return value
