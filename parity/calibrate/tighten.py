"""Budgets tightened to what an ensemble needs: never looser, and in the file's own words otherwise."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from parity.calibrate.bands_file import BandsFile
from parity.calibrate.journal import Run
from parity.calibrate.pooling import PLAIN
from parity.calibrate.reading import AGAINST, COLUMNS, TRUTH
from parity.calibrate.request import TightenedRow
from parity.errors import BadInputError
from parity.judge import Allowance, Budget, Budgets, Rule
from parity.judge.budget import GATES
from parity.run.forward import Mode
from parity.store.bits import dtype_name

DIGITS = 2
_HEADER = "[[budget]]"


@dataclass(frozen=True)
class Suite:
    """The suite whose budgets compare a candidate and a peer with the truth, as an ensemble's runs do.

    `excluded`: members that move their inputs, which a run of the suite does not.
    """

    name: str
    dtype: torch.dtype
    excluded: tuple[str, ...] = ()


@dataclass
class _Need:
    """What the readings under one row need: the largest (error - floor) / peer, and the largest error."""

    ratio: float = 0.0
    ceiling: float = 0.0
    readings: int = 0


def tightened(budgets: Budgets, runs: Iterable[Run], bands: BandsFile, suite: Suite) -> list[TightenedRow]:
    """Give the allowances of a stage's rows that can be tighter; rows that no reading falls under stay.

    An ensemble's need is multiplied by what new runs exceed an ensemble by. Floors stay: they are what a rounding
    costs where the peer happens to make none.
    """
    dtype = dtype_name(suite.dtype)
    needs: dict[tuple[int, str], _Need] = {}
    plain: dict[tuple[str, int], Run] = {}
    for run in sorted(runs, key=lambda run: run.key.member != PLAIN):
        if run.key.dtype != dtype or run.key.member in suite.excluded:
            continue
        if run.key.member == PLAIN:
            plain[run.key.case, run.key.seed] = run
        _take(budgets, run, plain[run.key.case, run.key.seed], (bands, suite, needs))
    rows = {row.number: row for row in budgets.rows}
    found = [_row(rows[number], gate, need, bands.stage) for (number, gate), need in needs.items()]
    return sorted((row for row in found if row.after != row.before), key=lambda row: (row.row, row.gate))


def _take(budgets: Budgets, run: Run, peer: Run, into: tuple[BandsFile, Suite, dict[tuple[int, str], _Need]]) -> None:
    bands, suite, needs = into
    epsilon = torch.finfo(suite.dtype).eps
    against = AGAINST.index(TRUTH)
    for m, mode in enumerate(Mode):
        for at, name in enumerate(run.names):
            row = budgets.row(suite.name, name, mode.value, run.key.dtype)
            if row.rule is not Rule.PEER:
                continue
            for gate, allowance in row.allowances.items():
                column = COLUMNS.index(gate)
                beyond = bands.ratios[run.key.dtype][mode.value, TRUTH, gate]
                own, its = float(run.table[m, at, against, column]), float(peer.table[m, at, against, column])
                need = needs.setdefault((row.number, gate), _Need())
                need.readings += 1
                need.ceiling = max(need.ceiling, own * beyond)
                if its > 0:
                    need.ratio = max(need.ratio, (own * beyond - allowance.floor * epsilon) / its)


def _row(row: Budget, gate: str, need: _Need, stage: str) -> TightenedRow:
    now = row.allowances[gate]
    after = Allowance(min(now.ratio, _up(need.ratio)), now.floor, min(now.ceiling, _up(need.ceiling)))
    return TightenedRow(stage, row.number, gate, _three(now), _three(after))


def _up(number: float) -> float:
    """Round up to DIGITS significant digits."""
    if number <= 0:
        return 0.0
    step = 10.0 ** (int(np.floor(np.log10(number))) - DIGITS + 1)
    return float(f"{np.ceil(number / step - 1e-9) * step:.{DIGITS}g}")


def _three(allowance: Allowance) -> tuple[float, float, float]:
    return allowance.ratio, allowance.floor, allowance.ceiling


def rewritten(text: str, rows: Sequence[TightenedRow], where: str) -> str:
    """Give a budget file with those allowances, and every other letter as it was.

    BadInputError where the file is not written as one line for each allowance, which is what is edited.
    """
    parts = re.split(rf"(?m)^(?={re.escape(_HEADER)})", text)
    for row in rows:
        pattern = re.compile(rf"(?m)^{row.gate} = \{{[^}}\n]*\}}")
        if row.row >= len(parts) or len(pattern.findall(parts[row.row])) != 1:
            raise BadInputError(
                f"{where}: row {row.row}", f"no line {row.gate!r}", "an allowance on one line", "write it on one line"
            )
        line = f"{row.gate} = {{ ratio = {row.after[0]:g}, floor = {row.after[1]:g}, ceiling = {row.after[2]:g} }}"
        parts[row.row] = pattern.sub(lambda _, line=line: line, parts[row.row])
    found = "".join(parts)
    _require_only(text, found, rows, where)
    return found


def _require_only(before: str, after: str, rows: Sequence[TightenedRow], where: str) -> None:
    """Refuse an edit that changed anything else, or that loosened a number."""
    old, new = tomllib.loads(before), tomllib.loads(after)
    for row in rows:
        written: Mapping[str, float] = new["budget"][row.row - 1][row.gate]
        if any(value > old["budget"][row.row - 1][row.gate][key] for key, value in written.items()):
            raise BadInputError(f"{where}: row {row.row}", "a looser number", "a tighter one", "report this")
        old["budget"][row.row - 1][row.gate] = dict(written)
    if old != new:
        raise BadInputError(where, "an edit that changed other rows", "the named rows alone", "report this")


assert set(GATES) <= set(COLUMNS)
