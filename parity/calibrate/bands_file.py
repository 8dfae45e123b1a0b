"""The file that bands are kept in: one stage, small, one row on a line, and read strictly."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.calibrate.reading import AGAINST, FIGURES, JUDGED
from parity.errors import BadInputError, ParityError
from parity.run.forward import Mode
from parity.store import seal, strict_json
from parity.store.whole_file import publish

SCHEMA = "ltx-parity/bands/2"
# Shares of the readings of an ensemble that the stored quantiles are not exceeded by; the last is all of them.
QUANTILES = (0.5, 1.0)
# Numbers are kept as whole eighths of an octave, rounded up: k stands for 2 ** (k / 8), at most 9 % above what it was.
STEPS = 8
# Of the smallest and the largest number of float64.
_STEPS_OF_FLOAT64 = range(-1074 * STEPS, 1024 * STEPS)
_MODES = tuple(mode.value for mode in Mode)
PLACES = tuple((mode, against) for mode in _MODES for against in AGAINST)
_KEYS = ("schema", "stage", "release", "provenance", "cases", "layout", "ratios", "cells", "floors", "taps")
_NEXT = "calibrate again"

# For each of JUDGED the quantiles of its readings, at `levels`.
Cell = tuple[tuple[float, ...], ...]
Place = tuple[str, str]
Ratios = Mapping[tuple[str, str, str], float]


def levels(column: str) -> tuple[float, ...]:
    """Give the shares that the kept quantiles of a column belong to: the most alone of what is no figure."""
    return QUANTILES if column in FIGURES else QUANTILES[-1:]


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
    ratios: Mapping[str, Ratios]
    rows: tuple[Row, ...]


def write_bands(file: BandsFile, path: Path) -> None:
    """Write the file whole or not at all; no number is rounded down."""
    publish(path, encode(file).encode())


def encode(file: BandsFile) -> str:
    """Give the text of the file: JSON with one row on a line, the same for the same bands."""
    cells: dict[str, int] = {}
    floors: dict[str, int] = {}
    rows = []
    for row in file.rows:
        head = [row.tap, row.dtype, row.runs, _index(floors, row.floors)]
        rows.append(_text(head + [_index(cells, sum(row.cells[place], start=())) for place in PLACES]))
    parts = {
        "schema": _text(SCHEMA),
        "stage": _text(file.stage),
        "release": _text(file.release),
        "provenance": _text(dict(file.provenance)),
        "cases": _lines([f"{_text(case)}:{_text(dict(runs))}" for case, runs in file.cases.items()], "{}"),
        "layout": _text(_layout()),
        "ratios": _text({dtype: _nested(found) for dtype, found in file.ratios.items()}),
        "cells": _lines(list(cells), "[]"),
        "floors": _lines(list(floors), "[]"),
        "taps": _lines(rows, "[]"),
    }
    told = ",\n".join(f"{_text(key)}:{parts[key]}" for key in _KEYS)
    digest = seal.digest_of(json.loads(f"{{{told}}}"), "bands")
    return f"{{\n{told},\n{_text(seal.KEY)}:{_text(digest)}\n}}\n"


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _layout() -> dict[str, Any]:
    return {
        "taps": ["pattern", "dtype", "runs", "floors", *(" against ".join(place) for place in PLACES)],
        "columns": list(JUDGED),
        "quantiles": [list(levels(column)) for column in JUDGED],
        "numbers": f"2 ** (k / {STEPS})",
    }


def _lines(items: list[str], brackets: str) -> str:
    return brackets[0] + "\n" + ",\n".join(items) + "\n" + brackets[1]


def _nested(ratios: Ratios) -> list[list[list[float]]]:
    # A ratio is kept to two digits behind the point, rounded up.
    return [
        [[math.ceil(ratios[mode, against, column] * 100 - 1e-9) / 100 for column in JUDGED] for against in AGAINST]
        for mode in _MODES
    ]


def _index(table: dict[str, int], numbers: Iterable[float]) -> int:
    return table.setdefault(_text([_written(number) for number in numbers]), len(table))


def steps(number: float) -> float:
    """Give the whole number of steps that a positive number is kept as; infinity for infinity."""
    return math.ceil(STEPS * math.log2(number) - 1e-9) if math.isfinite(number) else number


def _written(number: float) -> int | str | None:
    if number == 0:
        return None
    return int(steps(number)) if math.isfinite(number) else "inf"


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
        found = _decoded(document)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise BadInputError(str(path), f"malformed ({type(error).__name__}: {error!s:.80})", "bands", _NEXT) from error
    seal.require_seal(document, str(path), _NEXT)
    return found


def _decoded(document: dict[str, Any]) -> BandsFile:
    if tuple(document) != (*_KEYS, seal.KEY) or _text(document["layout"]) != _text(_layout()):
        raise ValueError(f"keys {sorted(document)!r:.60} or layout of another version")
    cells, floors = [_cell(found) for found in document["cells"]], [_floors(found) for found in document["floors"]]
    rows = tuple(_row(row, cells, floors) for row in document["taps"])
    _require_first_use(cells, [at for row in document["taps"] for at in row[4:]])
    _require_first_use(floors, [row[3] for row in document["taps"]])
    if len(rows) != len({(row.tap, row.dtype) for row in rows}):
        raise ValueError("a row is there twice")
    ratios = {dtype: _ratios(found) for dtype, found in document["ratios"].items()}
    if {row.dtype for row in rows} - ratios.keys():
        raise ValueError("a precision without ratios")
    cases = {case: {dtype: _count(runs, 1) for dtype, runs in of.items()} for case, of in document["cases"].items()}
    texts = {key: _told(value) for key, value in document["provenance"].items()}
    return BandsFile(_told(document["stage"]), _told(document["release"]), texts, cases, ratios, rows)


def _told(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} where a text belongs")
    return value


def _require_first_use(table: list[Any], used: list[int]) -> None:
    """Refuse a table with entries twice, unused, or in another order than that in which rows come to use them."""
    if list(dict.fromkeys(used)) != list(range(len(table))) or len(set(table)) != len(table):
        raise ValueError("entries twice, unused, or in another order")


def _ratios(found: list[list[list[Any]]]) -> Ratios:
    keys = [(*place, column) for place in PLACES for column in JUDGED]
    numbers = [ratio for of_mode in found for of_against in of_mode for ratio in of_against]
    read = dict(zip(keys, numbers, strict=True))
    if not all(type(ratio) in (int, float) and 1 <= ratio < math.inf for ratio in numbers) or _nested(read) != found:
        raise ValueError("ratios that are not 1 or more, to two digits behind the point")
    return {key: float(ratio) for key, ratio in read.items()}


def _row(row: list[Any], cells: list[Cell], floors: list[tuple[float, ...]]) -> Row:
    tap, dtype, runs, floor, *places = row
    if not (isinstance(tap, str) and isinstance(dtype, str) and len(places) == len(PLACES)):
        raise ValueError(f"row {row!r:.60}")
    found = {place: cells[_count(at, 0)] for place, at in zip(PLACES, places, strict=True)}
    return Row(tap, dtype, _count(runs, 1), floors[_count(floor, 0)], found)


def _cell(numbers: list[Any]) -> Cell:
    found, rest = [], [_number(value) for value in numbers]
    for column in JUDGED:
        count = len(levels(column))
        found.append(tuple(rest[:count]))
        rest = rest[count:]
        if len(found[-1]) != count or list(found[-1]) != sorted(found[-1]):
            raise ValueError(f"cell {numbers!r:.60}")
    if rest:
        raise ValueError(f"cell {numbers!r:.60}")
    return tuple(found)


def _floors(numbers: list[Any]) -> tuple[float, ...]:
    if len(numbers) != len(JUDGED):
        raise ValueError(f"floors {numbers!r:.60}")
    return tuple(_number(value) for value in numbers)


def _number(value: Any) -> float:
    if value is None:
        return 0.0
    if value == "inf":
        return math.inf
    if type(value) is not int or value not in _STEPS_OF_FLOAT64:
        raise ValueError(f"number {value!r:.60}")
    return 2.0 ** (value / STEPS)


def _count(value: Any, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"count {value!r:.60}")
    return value
