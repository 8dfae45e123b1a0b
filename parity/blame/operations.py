"""A model's table of operations: which part of the model a tap shows, and what its axes are called."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import Tensor

from parity.errors import BadInputError
from parity.metrics import HeadAxis
from parity.taps.toml_file import read_toml

SCHEMA = 1
_TOP_KEYS = {"schema", "operation", "axes", "heads"}
# What a row of `axes` calls an axis of heads.
HEADS = "heads"
_AXIS = re.compile(r"\baxis (\d+)\b(?! \()")


@dataclass(frozen=True)
class Row:
    """Taps by pattern, and the part that they show.

    A row of `axes`: the names of the axes of tensors so deep. A row of `heads`: how the name of the tap ends that shows
    how many heads lie on the last axis.
    """

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
    counts: tuple[Row, ...] = ()

    @staticmethod
    def load(path: Path) -> "Operations":
        """Read a table; BadInputError where it is missing, malformed, or has an unknown key."""
        document = read_toml(path, "table of operations")
        if document.keys() - _TOP_KEYS or document.get("schema") != SCHEMA:
            got = f"keys {sorted(document)}, schema {document.get('schema')!r}"
            raise BadInputError(
                str(path), got, f"schema = {SCHEMA}, [[operation]], [[axes]] and [[heads]]", "correct it"
            )
        return Operations(
            tuple(
                _row(row, "part", f"{path.name}: operation {number}") for number, row in _rows(document, "operation")
            ),
            tuple(_row(row, "names", f"{path.name}: axes {number}") for number, row in _rows(document, "axes")),
            tuple(_row(row, "count", f"{path.name}: heads {number}") for number, row in _rows(document, "heads")),
        )

    def part(self, tap: str) -> str | None:
        """Give the part that a tap shows, None where no row covers it."""
        return next((row.part for row in self.rows if row.covers(tap)), None)

    def named(self, text: str, tap: str, rank: int) -> str:
        """Give a text with the axes that it mentions called by their names too."""
        names = self.axes_of(tap, rank)
        return _AXIS.sub(lambda found: _axis(found, names), text)

    def heads(self, tap: str, shape: Sequence[int], values: Mapping[str, Tensor]) -> HeadAxis | None:
        """Give the axis of a tensor that has its heads, None where the table knows none.

        `values` are the taps of the same pass: one of them shows how many heads lie on a last axis.
        """
        names = self.axes_of(tap, len(shape))
        if HEADS in names:
            axis = names.index(HEADS)
            return HeadAxis(axis, shape[axis])
        end = next((row.part for row in self.counts if row.covers(tap)), None)
        words = tap.split(".")
        shown = (".".join((*words[:length], end)) for length in range(1, len(words))) if end else iter(())
        count = next((int(values[name]) for name in shown if name in values and values[name].numel() == 1), None)
        return HeadAxis(len(shape) - 1, count) if count is not None else None

    def axes_of(self, tap: str, rank: int) -> tuple[str, ...]:
        """Give what the axes of a tensor are called, nothing where the table does not say."""
        return next((row.axes for row in self.axes if len(row.axes) == rank and row.covers(tap)), ())


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
    if not _texts(taps) or not (isinstance(value, str) if says != "names" else _texts(value)):
        raise BadInputError(at, f"{says} = {value!r:.60}", "texts", "correct the row")
    return Row(tuple(taps), value) if says != "names" else Row(tuple(taps), "", tuple(value))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
