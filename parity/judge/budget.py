"""Tolerance budgets: rows of a versioned file, exactly one for each tap of each suite and mode."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from parity.errors import BadInputError
from parity.taps.toml_file import read_toml

SCHEMA = 1
# Figures of a comparison that a budget may gate on, each an error where 0 means none.
GATES = ("relative_l2", "max_abs")
_ROW_KEYS = {"suite", "rule", "taps", "except", "modes", "dtypes", "reason", *GATES}
_TOP_KEYS = {"schema", "groups", "budget"}
_ALLOWANCE_KEYS = {"ratio", "floor", "ceiling"}


class Rule(Enum):
    """How a tap is judged.

    BIT_IDENTICAL: same dtype, same bits. PEER: no worse than the reference in the same precision, within the
    allowances. SAME_VALUES: equal numbers, whatever the dtype.
    """

    BIT_IDENTICAL = "bit-identical"
    SAME_VALUES = "same-values"
    PEER = "peer"


@dataclass(frozen=True)
class Allowance:
    """A bound on one figure: `min(ratio * peer + floor, ceiling)`.

    `floor` is in units of the working precision's epsilon, `ceiling` absolute; for `max_abs` both are relative
    to the root mean square of the reference tensor, so that they mean the same at every tap.
    """

    ratio: float
    floor: float
    ceiling: float

    def bound(self, peer: float, epsilon: float, scale: float = 1.0) -> float:
        """Give the largest figure that passes; a peer or scale that is itself not finite allows nothing."""
        if not (math.isfinite(peer) and math.isfinite(scale)):
            return 0.0
        return min(self.ratio * peer + self.floor * epsilon * scale, self.ceiling * scale)


@dataclass(frozen=True)
class Budget:
    """One row: the taps of a suite that it covers, the rule, and the allowance for each gated figure.

    Without `modes` it covers every mode, without `dtypes` every working precision; with a `prefix` only taps that
    begin with it.
    """

    suite: str
    rule: Rule
    taps: tuple[str, ...]
    excluded: tuple[str, ...]
    modes: tuple[str, ...]
    allowances: Mapping[str, Allowance]
    reason: str
    number: int
    dtypes: tuple[str, ...] = ()
    prefix: str = ""

    def covers(self, tap: str, mode: str, dtype: str) -> bool:
        """Whether this row rules that tap in that mode of a run in that working precision."""
        return self.covers_mode(mode) and self.covers_tap(tap, dtype)

    def covers_mode(self, mode: str) -> bool:
        """Whether this row rules taps in that mode."""
        return not self.modes or mode in self.modes

    def covers_tap(self, tap: str, dtype: str) -> bool:
        """Whether this row rules that tap, in some mode, of a run in that working precision."""
        return (
            tap.startswith(self.prefix)
            and (not self.dtypes or dtype in self.dtypes)
            and any(fnmatchcase(tap, pattern) for pattern in self.taps)
            and not any(fnmatchcase(tap, pattern) for pattern in self.excluded)
        )


class Budgets:
    """The rows of one budget file."""

    def __init__(self, rows: Iterable[Budget], where: str):
        self.rows, self._where = tuple(rows), where
        self._found: dict[tuple[str, str, str, str], Budget] = {}
        self._of_tap: dict[tuple[str, str, str], list[Budget]] = {}
        self._stages: dict[tuple[str, str], list[Budget]] = {}
        self._marked: frozenset[int] = frozenset()

    @staticmethod
    def load(path: Path, prefix: str = "") -> "Budgets":
        """Read a budget file; BadInputError where it is missing, malformed, or has an unknown key.

        Its rows rule taps that begin with `prefix`, so that each stage may have a file of its own.
        """
        document = read_toml(path, "budget file")
        if document.get("schema") != SCHEMA:
            raise BadInputError(
                str(path), f"schema {document.get('schema')!r}", str(SCHEMA), "use a file of this version"
            )
        unknown = document.keys() - _TOP_KEYS
        written, rows = document.get("groups", {}), document.get("budget", [])
        if unknown or not isinstance(written, dict) or not _is_list(rows, dict):
            expected = "schema, a table [groups] and tables [[budget]]"
            raise BadInputError(str(path), f"unknown keys {sorted(unknown)} or other types", expected, "correct it")
        groups = {name: _texts(written, name, f"{path.name}: groups") for name in written}
        where = f"{prefix}{path.name}"
        found = [_row(row, groups, f"{where}: row {i + 1}", i + 1) for i, row in enumerate(rows)]
        return Budgets([replace(row, prefix=prefix) for row in found], path.name)

    @staticmethod
    def merged(parts: Iterable["Budgets"]) -> "Budgets":
        """Put the rows of several files together."""
        return Budgets([row for part in parts for row in part.rows], "budgets.toml")

    def row(self, suite: str, tap: str, mode: str, dtype: str) -> Budget:
        """Give the one row for a tap; BadInputError where there is none, or more than one."""
        key = (suite, tap, mode, dtype)
        if key not in self._found:
            matching = [row for row in self._in_some_mode(suite, tap, dtype) if row.covers_mode(mode)]
            if len(matching) != 1:
                rows = ", ".join(f"{row.prefix}row {row.number}" for row in matching) or "no row"
                raise BadInputError(
                    f"{self._where}: {tap} ({suite}, {mode}, {dtype})",
                    rows,
                    "exactly one budget row",
                    "narrow the patterns, or add a row",
                )
            self._found[key] = matching[0]
        return self._found[key]

    def _in_some_mode(self, suite: str, tap: str, dtype: str) -> list[Budget]:
        """Give the rows of a tap; each mode asks, and matching names is what takes the time."""
        key = (suite, tap, dtype)
        if key not in self._of_tap:
            self._of_tap[key] = [row for row in self._of_stage(suite, tap) if row.covers_tap(tap, dtype)]
        return self._of_tap[key]

    def _of_stage(self, suite: str, tap: str) -> list[Budget]:
        """Give the rows that a suite has for a tap's stage, which the first part of its name says."""
        key = (suite, tap.partition(".")[0])
        if key not in self._stages:
            self._stages[key] = [row for row in self.rows if row.suite == suite and f"{key[1]}.".startswith(row.prefix)]
        return self._stages[key]

    @property
    def used(self) -> frozenset[int]:
        """The positions of the rows that some tap has asked for since this object was made."""
        asked = set(map(id, self._found.values()))
        return self._marked | {position for position, row in enumerate(self.rows) if id(row) in asked}

    def mark(self, used: frozenset[int]) -> None:
        """Count rows as used that another process has asked its own copy of this file for."""
        self._marked |= used

    def unused(self, suite: str) -> list[Budget]:
        """Give the rows of a suite that no tap has asked for since this object was made."""
        used = self.used
        return [row for position, row in enumerate(self.rows) if row.suite == suite and position not in used]

    def refuse_unused(self, suite: str) -> None:
        """Refuse a file with a row that rules nothing: a renamed tap would go unjudged."""
        for row in self.unused(suite):
            raise BadInputError(
                f"{row.prefix}{self._where}: row {row.number} ({suite}: {' '.join(row.taps)})",
                "matches no tap",
                "rows that rule something",
                "correct its patterns, or remove it",
            )


def _row(row: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]], at: str, number: int) -> Budget:
    unknown = row.keys() - _ROW_KEYS
    missing = {"suite", "rule", "taps", "reason"} - row.keys()
    if unknown or missing:
        raise BadInputError(
            at, f"unknown keys {sorted(unknown)}, missing keys {sorted(missing)}", "a budget row", "correct it"
        )
    for key in ("suite", "reason"):
        if not isinstance(row[key], str):
            raise BadInputError(at, f"{key} = {row[key]!r:.60}", "a text", "put it in quotes")
    try:
        rule = Rule(row["rule"])
    except ValueError:
        rules = ", ".join(rule.value for rule in Rule)
        raise BadInputError(at, f"rule {row['rule']!r}", f"one of {rules}", "correct it") from None
    allowances = {gate: _allowance(row[gate], f"{at}: {gate}") for gate in GATES if gate in row}
    if (rule is Rule.PEER) != bool(allowances):
        raise BadInputError(
            at,
            f"rule {rule.value} with {len(allowances)} allowances",
            "allowances for `peer`, none for the others",
            "correct the row",
        )
    return Budget(
        suite=row["suite"],
        rule=rule,
        taps=_patterns(_texts(row, "taps", at), groups, at),
        excluded=_patterns(_texts(row, "except", at), groups, at),
        modes=_texts(row, "modes", at),
        dtypes=_texts(row, "dtypes", at),
        allowances=allowances,
        reason=row["reason"],
        number=number,
    )


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _texts(table: Mapping[str, Any], key: str, at: str) -> tuple[str, ...]:
    # A bare text would be read letter by letter, and a letter may be the pattern `*`.
    found = table.get(key, [])
    if not _is_list(found, str):
        raise BadInputError(at, f"{key} = {found!r:.60}", "a list of texts", "put it in brackets")
    return tuple(found)


def _patterns(written: Iterable[str], groups: Mapping[str, tuple[str, ...]], at: str) -> tuple[str, ...]:
    """Replace `@name` by the patterns of that group."""
    found: list[str] = []
    for pattern in written:
        if pattern.startswith("@") and pattern[1:] not in groups:
            raise BadInputError(at, f"pattern group {pattern!r}", "a group of this file", "define it in [groups]")
        found += groups[pattern[1:]] if pattern.startswith("@") else [pattern]
    return tuple(found)


def _allowance(value: Mapping[str, Any], at: str) -> Allowance:
    if not isinstance(value, Mapping):
        raise BadInputError(at, f"{value!r:.60}", f"a table of {sorted(_ALLOWANCE_KEYS)}", "correct it")
    if value.keys() != _ALLOWANCE_KEYS:
        raise BadInputError(at, f"keys {sorted(value)}", f"{sorted(_ALLOWANCE_KEYS)}", "correct it")
    for key, number in value.items():
        if type(number) not in (int, float) or not math.isfinite(number) or number < 0:
            raise BadInputError(at, f"{key} = {number!r:.60}", "a finite number, 0 or more", "correct it")
    return Allowance(**{key: float(number) for key, number in value.items()})
