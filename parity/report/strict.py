"""JSON values read strictly: every part is there, of its type, and nothing else is."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from parity.errors import BadInputError

Item = TypeVar("Item")
_NONFINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def refusal(where: str, got: str, expected: str) -> BadInputError:
    """Word the refusal of a malformed report."""
    return BadInputError(where, got, expected, "write the report again")


def shown(value: object) -> str:
    """Show a value of unknown origin on one short line; a list or an object, however deep, by its kind alone."""
    return f"a {type(value).__name__}" if isinstance(value, (list, dict)) else f"{value!r:.60}"


def same(found: object, expected: object) -> bool:
    """Whether two JSON values are one in type and value: to Python alone, true equals 1."""
    if type(found) is not type(expected):
        return False
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected


def json_number(value: float) -> float | str:
    """Give a number as JSON can hold it: NaN and the infinities become "nan", "inf" and "-inf"."""
    return value if math.isfinite(value) else repr(value)


def text(value: object, where: str) -> str:
    """Read a string."""
    if type(value) is not str:
        raise refusal(where, f"{shown(value)}", "a string")
    return value


def flag(value: object, where: str) -> bool:
    """Read a truth value."""
    if type(value) is not bool:
        raise refusal(where, f"{shown(value)}", "true or false")
    return value


def whole(value: object, where: str, least: int = 0) -> int:
    """Read a whole number of at least `least`; a truth value is none."""
    if type(value) is not int or value < least:
        raise refusal(where, f"{shown(value)}", f"a whole number of at least {least}")
    return value


def number(value: object, where: str) -> float:
    """Read a number, "nan", "inf" or "-inf"."""
    # A literal such as 1e999 reads as infinity, which no writer writes so.
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is str and value in _NONFINITE:
        return _NONFINITE[value]
    # Writers drop the ".0" of a whole number; one that no float64 is, is not what any writer meant.
    if type(value) is int and abs(value) < 2**1023 and float(value) == value:
        return float(value)
    raise refusal(where, f"{shown(value)}", "a number")


def items(value: object, where: str) -> list[object]:
    """Read a list."""
    if type(value) is not list:
        raise refusal(where, f"a {type(value).__name__}", "a list")
    return value


def each(value: object, where: str, read: Callable[[object, str], Item]) -> tuple[Item, ...]:
    """Read a list of which every item is read by `read`."""
    return tuple(read(item, f"{where}[{at}]") for at, item in enumerate(items(value, where)))


def mapping(value: object, where: str, read: Callable[[object, str], Item]) -> dict[str, Item]:
    """Read an object of any keys, of which every value is read by `read`."""
    if type(value) is not dict:
        raise refusal(where, f"a {type(value).__name__}", "an object")
    return {key: read(item, f"{where}.{key!r:.60}") for key, item in value.items()}


class Fields:
    """The named parts of an object, or of a list whose columns are named; each is read by name."""

    def __init__(self, parts: Mapping[str, object], where: str):
        self._parts, self.where = parts, where

    @staticmethod
    def of_object(value: object, where: str, names: Sequence[str]) -> "Fields":
        """Read an object of exactly these keys."""
        if type(value) is not dict:
            raise refusal(where, f"a {type(value).__name__}", "an object")
        if value.keys() != set(names):
            missing, extra = sorted(set(names) - value.keys()), sorted(value.keys() - set(names))
            raise refusal(where, f"missing {missing!r:.80}, unknown {extra!r:.80}", f"keys {', '.join(names)}")
        return Fields(value, where)

    @staticmethod
    def of_row(value: object, where: str, columns: Sequence[str]) -> "Fields":
        """Read a list of exactly as many items as columns."""
        row = items(value, where)
        if len(row) != len(columns):
            raise refusal(where, f"{len(row)} items", f"{len(columns)} ({', '.join(columns)})")
        return Fields(dict(zip(columns, row, strict=True)), where)

    def read(self, name: str, read: Callable[[object, str], Item]) -> Item:
        """Read one part with `read`."""
        return read(self._parts[name], f"{self.where}.{name}")

    def pick(self, name: str, table: Sequence[Item]) -> Item:
        """Read one part as an index into a table."""
        index = self.read(name, whole)
        if index >= len(table):
            raise refusal(f"{self.where}.{name}", f"entry {index!r:.40}", f"one of the {len(table)} listed")
        return table[index]
