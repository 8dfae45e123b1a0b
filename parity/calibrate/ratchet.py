"""Budgets only ever get tighter by themselves: a looser one needs another reason than the last one had.

The lock is a record of every budget row as it stood when it was last accepted. A row that is looser than its record
and gives the same reason is refused, and so is a row without a record that takes over a reason which the lock has.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import BadInputError, ParityError
from parity.judge import Allowance, Budget, Budgets, Rule
from parity.store import strict_json
from parity.store.whole_file import publish

SCHEMA = "ltx-parity/budgets-lock/1"
# From the strictest to the loosest.
_STRICTNESS = (Rule.BIT_IDENTICAL, Rule.SAME_VALUES, Rule.PEER)
_NEXT = "write it again with `ltx-parity calibrate --lock`"


@dataclass(frozen=True)
class Record:
    """A budget row as it stood."""

    key: str
    rule: Rule
    allowances: Mapping[str, Allowance]
    reason: str

    @staticmethod
    def of(row: Budget) -> "Record":
        """Take a row down; two rows are one where stage, suite, taps, modes and precisions are."""
        parts = {
            "stage": row.prefix.removesuffix("."),
            "suite": row.suite,
            "taps": list(row.taps),
            "except": list(row.excluded),
            "modes": list(row.modes),
            "dtypes": list(row.dtypes),
        }
        return Record(json.dumps(parts, sort_keys=True), row.rule, row.allowances, row.reason)

    @property
    def stage(self) -> str:
        """The stage that the row belongs to."""
        return str(json.loads(self.key)["stage"])

    def looser_than(self, other: "Record") -> list[str]:
        """Say in what this row allows more than another did."""
        if self.rule is not other.rule:
            looser = _STRICTNESS.index(self.rule) > _STRICTNESS.index(other.rule)
            return [f"rule {self.rule.value} for {other.rule.value}"] if looser else []
        found = []
        for gate, allowance in self.allowances.items():
            before = other.allowances.get(gate)
            for part, value in vars(allowance).items():
                if before is not None and value > getattr(before, part):
                    found.append(f"{gate} {part} {value:g} for {getattr(before, part):g}")
        return found + [f"no bound on {gate}" for gate in other.allowances if gate not in self.allowances]


def write_lock(budgets: Budgets, path: Path) -> int:
    """Record every row as it stands, and give their number; BadInputError where `refusals` has something to say."""
    if path.exists():
        for refusal in refusals(budgets, path):
            raise refusal
    rows = [Record.of(row) for row in budgets.rows]
    _require_distinct(rows, str(path))
    lines = [json.dumps([row.key, row.rule.value, _numbers(row), row.reason]) for row in rows]
    publish(path, ('{"schema": ' + json.dumps(SCHEMA) + ',\n"rows": [\n' + ",\n".join(lines) + "\n]}\n").encode())
    return len(rows)


def refusals(budgets: Budgets, path: Path) -> list[BadInputError]:
    """Give what is looser than the lock without a reason of its own."""
    locked = {record.key: record for record in read_lock(path)}
    reasons = {(record.stage, record.reason) for record in locked.values()}
    found = []
    for row in budgets.rows:
        now, at = Record.of(row), f"{row.prefix}budgets: row {row.number} ({row.suite}: {' '.join(row.taps)})"
        before = locked.get(now.key)
        if before is None and (now.stage, now.reason) in reasons:
            got = "a row that the lock does not have, with a reason that another row had"
            found.append(BadInputError(at, got, "a reason of its own", "say in `reason` why it is needed"))
        looser = [] if before is None else now.looser_than(before)
        if before is not None and looser and now.reason == before.reason:
            got = f"looser than it was: {', '.join(looser)}"
            found.append(BadInputError(at, got, "another `reason` than before", "say why, with the measurement"))
    return found


def stale(budgets: Budgets, path: Path) -> list[str]:
    """Name the rows that differ from their records, or that have none, or that are gone."""
    locked = {record.key: record for record in read_lock(path)}
    now = {Record.of(row).key: Record.of(row) for row in budgets.rows}
    return [key for key in dict.fromkeys([*now, *locked]) if now.get(key) != locked.get(key)]


def read_lock(path: Path) -> list[Record]:
    """Read a lock; BadInputError where it is missing or malformed."""
    try:
        document: Any = strict_json.decode(str(path), path.read_bytes())
        if document["schema"] != SCHEMA or document.keys() != {"schema", "rows"}:
            raise ValueError(f"schema {document['schema']!r:.40}")
        if not isinstance(document["rows"], list):
            raise ValueError(f"rows: a {type(document['rows']).__name__}")
        rows = [_record(*row) for row in document["rows"]]
    except OSError as error:
        raise BadInputError(str(path), error.strerror or "unreadable", "the lock of the budgets", _NEXT) from error
    except (ParityError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInputError(str(path), f"malformed ({error!s:.80})", "the lock of the budgets", _NEXT) from error
    _require_distinct(rows, str(path))
    return rows


def _record(key: str, rule: str, numbers: Mapping[str, list[float]], reason: str) -> Record:
    every = [number for three in numbers.values() for number in three]
    if not all(type(number) in (int, float) and 0 <= number == float(number) for number in every):
        raise ValueError(f"numbers {numbers!r:.60}")
    allowances = {gate: Allowance(*map(float, three)) for gate, three in numbers.items()}
    parts = json.loads(key)
    if json.dumps(parts, sort_keys=True) != key or not isinstance(parts["stage"], str) or not isinstance(reason, str):
        raise ValueError(f"a row for {key!r:.60}")
    return Record(key, Rule(rule), allowances, reason)


def _numbers(row: Record) -> dict[str, list[float]]:
    return {gate: [part.ratio, part.floor, part.ceiling] for gate, part in row.allowances.items()}


def _require_distinct(rows: Iterable[Record], where: str) -> None:
    keys = [row.key for row in rows]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise BadInputError(where, f"two rows for {twice:.160}", "one", "put them together")
