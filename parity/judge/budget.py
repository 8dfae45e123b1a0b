"""Tolerance budgets: rows of a versioned file, exactly one for each tap of each suite and mode."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from parity.errors import BadInputError

SCHEMA = 1
# Figures of a comparison that a budget may gate on, each an error where 0 means none.
GATES = ("relative_l2", "max_abs")
_ROW_KEYS = {"suite", "rule", "taps", "except", "modes", "reason", *GATES}
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
        """Give the largest figure that passes; a peer that is itself not finite allows nothing."""
        if not math.isfinite(peer):
            return 0.0
        return min(self.ratio * peer + self.floor * epsilon * scale, self.ceiling * scale)


@dataclass(frozen=True)
class Budget:
    """One row: the taps of a suite that it covers, the rule, and the allowance for each gated figure."""

    suite: str
    rule: Rule
    taps: tuple[str, ...]
    excluded: tuple[str, ...]
    modes: tuple[str, ...]
    allowances: Mapping[str, Allowance]
    reason: str
    line: int

    def covers(self, tap: str, mode: str) -> bool:
        """Whether this row rules that tap in that mode."""
        return (
            (not self.modes or mode in self.modes)
            and any(fnmatchcase(tap, pattern) for pattern in self.taps)
            and not any(fnmatchcase(tap, pattern) for pattern in self.excluded)
        )


class Budgets:
    """The rows of one budget file."""

    def __init__(self, rows: Iterable[Budget], where: str):
        self.rows, self._where = tuple(rows), where
        self._found: dict[tuple[str, str, str], Budget] = {}

    @staticmethod
    def load(path: Path) -> "Budgets":
        """Read a budget file; BadInputError where it is missing, malformed, or has an unknown key."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadInputError(str(path), error.strerror or "unreadable", "a budget file", "check the path") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInputError(str(path), f"not TOML ({error})", "a budget file", "correct it") from error
        if document.get("schema") != SCHEMA:
            raise BadInputError(
                str(path), f"schema {document.get('schema')!r}", str(SCHEMA), "use a file of this version"
            )
        rows = document.get("budget", [])
        return Budgets([_row(row, index + 1, path.name) for index, row in enumerate(rows)], path.name)

    def row(self, suite: str, tap: str, mode: str) -> Budget:
        """Give the one row for a tap; BadInputError where there is none, or more than one."""
        key = (suite, tap, mode)
        if key not in self._found:
            matching = [row for row in self.rows if row.suite == suite and row.covers(tap, mode)]
            if len(matching) != 1:
                rows = ", ".join(f"row {row.line}" for row in matching) or "no row"
                raise BadInputError(
                    f"{self._where}: {tap} ({suite}, {mode})",
                    rows,
                    "exactly one budget row",
                    "narrow the patterns, or add a row",
                )
            self._found[key] = matching[0]
        return self._found[key]

    def unused(self, suite: str) -> list[Budget]:
        """Give the rows of a suite that no tap has asked for since this object was made."""
        used = set(map(id, self._found.values()))
        return [row for row in self.rows if row.suite == suite and id(row) not in used]

    def refuse_unused(self, suite: str) -> None:
        """Refuse a file with a row that rules nothing: a renamed tap would go unjudged."""
        for row in self.unused(suite):
            raise BadInputError(
                f"{self._where}: row {row.line} ({suite}: {' '.join(row.taps)})",
                "matches no tap",
                "rows that rule something",
                "correct its patterns, or remove it",
            )


def _row(row: Mapping[str, Any], line: int, where: str) -> Budget:
    at = f"{where}: row {line}"
    unknown = row.keys() - _ROW_KEYS
    missing = {"suite", "rule", "taps", "reason"} - row.keys()
    if unknown or missing:
        raise BadInputError(
            at, f"unknown keys {sorted(unknown)}, missing keys {sorted(missing)}", "a budget row", "correct it"
        )
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
        taps=tuple(row["taps"]),
        excluded=tuple(row.get("except", ())),
        modes=tuple(row.get("modes", ())),
        allowances=allowances,
        reason=row["reason"],
        line=line,
    )


def _allowance(value: Mapping[str, Any], at: str) -> Allowance:
    if value.keys() != _ALLOWANCE_KEYS:
        raise BadInputError(at, f"keys {sorted(value)}", f"{sorted(_ALLOWANCE_KEYS)}", "correct it")
    numbers = {key: float(number) for key, number in value.items()}
    bad = [key for key, number in numbers.items() if not math.isfinite(number) or number < 0]
    if bad:
        raise BadInputError(at, f"{bad[0]} = {numbers[bad[0]]}", "a finite number, 0 or more", "correct it")
    return Allowance(**numbers)
