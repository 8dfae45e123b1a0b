"""A model's table of operations: which part of the model a tap shows, and what its axes are called."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from parity.errors import BadInputError
from parity.taps.toml_file import read_toml

SCHEMA = 1
_TOP_KEYS = {"schema", "operation", "axes"}
_AXIS = re.compile(r"\baxis (\d+)\b(?! \()")


@dataclass(frozen=True)
class Row:
    """Taps by pattern, and the part that they show (a row of `axes`: the names of the axes of tensors so deep)."""

    taps: tuple[str, ...]
    part: str
    axes: tuple[str, ...] = ()

    def covers(self, tap: str) -> bool:
        """Whether one of the patterns matches."""
        return any(fnmatchcase(tap, pattern) for pattern in self.taps)


@dataclass(frozen=True)
class Operations:
    """The rows of a table, in order: the first that covers a tap says what it is."""

    rows: tuple[Row, ...] = ()
    axes: tuple[Row, ...] = ()

    @staticmethod
    def load(path: Path) -> "Operations":
        """Read a table; BadInputError where it is missing, malformed, or has an unknown key."""
        document = read_toml(path, "table of operations")
        if document.keys() - _TOP_KEYS or document.get("schema") != SCHEMA:
            got = f"keys {sorted(document)}, schema {document.get('schema')!r}"
            raise BadInputError(str(path), got, f"schema = {SCHEMA}, [[operation]] and [[axes]]", "correct it")
        return Operations(
            tuple(
                _row(row, "part", f"{path.name}: operation {number}") for number, row in _rows(document, "operation")
            ),
            tuple(_row(row, "names", f"{path.name}: axes {number}") for number, row in _rows(document, "axes")),
        )

    def part(self, tap: str) -> str | None:
        """Give the part that a tap shows, None where no row covers it."""
        return next((row.part for row in self.rows if row.covers(tap)), None)

    def named(self, text: str, tap: str, rank: int) -> str:
        """Give a text with the axes that it mentions called by their names too."""
        names = next((row.axes for row in self.axes if len(row.axes) == rank and row.covers(tap)), ())
        return _AXIS.sub(lambda found: _axis(found, names), text)


def _axis(found: re.Match[str], names: Sequence[str]) -> str:
    index = int(found[1])
    return f"{found[0]} ({names[index]})" if index < len(names) else found[0]


def _rows(document: Mapping[str, Any], key: str) -> list[tuple[int, Any]]:
    rows = document.get(key, [])
    if not isinstance(rows, list):
        raise BadInputError(key, f"a {type(rows).__name__}", f"tables [[{key}]]", "correct the table")
    return list(enumerate(rows, start=1))


def _row(row: Any, says: str, at: str) -> Row:
    expected = f"the keys taps and {says}"
    if not isinstance(row, dict) or row.keys() != {"taps", says}:
        got = f"keys {sorted(row)}" if isinstance(row, dict) else f"a {type(row).__name__}"
        raise BadInputError(at, got, expected, "correct the row")
    taps, value = row["taps"], row[says]
    if not _texts(taps) or not (isinstance(value, str) if says == "part" else _texts(value)):
        raise BadInputError(at, f"{says} = {value!r:.60}", "texts", "correct the row")
    return Row(tuple(taps), value) if says == "part" else Row(tuple(taps), "", tuple(value))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
