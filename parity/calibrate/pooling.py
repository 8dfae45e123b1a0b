"""Readings of many runs, pooled by tap; taps whose noise agrees are pooled under one pattern."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parity.calibrate.ensemble import Table
from parity.calibrate.journal import Run
from parity.calibrate.reading import AGAINST, REFERENCE, TRUTH

# The member that is the reference as it is.
PLAIN = "plain"
# Taps whose largest readings are within this factor of each other everywhere are pooled: a band is then wider by at
# most that for the quietest of them.
AGREEMENT = 2.0

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """The readings of the taps that a pattern names, in one precision.

    `table` is readings x modes x AGAINST x COLUMNS; `seeds` and `runs` say which inputs and which run each is of.
    `floors` has for each reading and each of COLUMNS what one rounding of that tensor may make.
    """

    pattern: str
    dtype: str
    table: Table
    seeds: Numbers
    runs: Numbers
    floors: Table

    @property
    def most(self) -> Table:
        """The largest readings: modes x AGAINST x COLUMNS."""
        return self.table.max(axis=0)

    @property
    def floor(self) -> Table:
        """The largest of the floors, for each of COLUMNS."""
        return self.floors.max(axis=0)


def pooled(runs: Iterable[Run]) -> list[Pool]:
    """Pool the readings of runs by tap, whatever the pass and the case, and then taps that agree."""
    parts: dict[tuple[str, str], list[tuple[int, int, Table, Table]]] = defaultdict(list)
    for number, run in enumerate(runs):
        for at, name in enumerate(run.names):
            parts[in_any_pass(name), run.key.dtype].append((run.key.seed, number, _readings(run, at), run.floors[at]))
    alone = [_pool(pattern, dtype, found) for (pattern, dtype), found in parts.items()]
    return [pool for family in _families(alone) for pool in _merged(family)]


def in_any_pass(tap: str) -> str:
    """Give the pattern that names a tap in every pass: the second part of a tap's name is its pass."""
    stage, _, rest = tap.split(".", 2)
    return f"{stage}.*.{rest}"


def _readings(run: Run, at: int) -> Table:
    table = run.table[:, at]
    if run.key.member == PLAIN:
        # The truth is a legitimate computation too: as far from the reference as the reference is from it.
        table = table.copy()
        reference, truth = AGAINST.index(REFERENCE), AGAINST.index(TRUTH)
        table[:, reference] = np.maximum(table[:, reference], table[:, truth])
    return table


def _pool(pattern: str, dtype: str, found: Sequence[tuple[int, int, Table, Table]]) -> Pool:
    seeds, runs, tables, floors = zip(*found, strict=True)
    return Pool(pattern, dtype, np.array(tables), np.array(seeds), np.array(runs), np.array(floors))


def _families(pools: Iterable[Pool]) -> Iterator[list[Pool]]:
    """Gather taps whose names differ in numbers alone: the same step of other blocks, layers, tiles."""
    found: dict[tuple[str, str], list[Pool]] = defaultdict(list)
    for pool in pools:
        found[re.sub(r"\d", "0", pool.pattern), pool.dtype].append(pool)
    yield from found.values()


def _merged(family: list[Pool]) -> list[Pool]:
    """Pool a family that agrees; one that does not by its parts: the layers of each block, the blocks of each stage."""
    if len(family) == 1:
        return family
    names = [pool.pattern for pool in family]
    pattern = _pattern_of(names)
    if pattern is None or not _agree(family):
        place = next(at for at, letters in enumerate(zip(*names, strict=True)) if len(set(letters)) > 1)
        parts: dict[str, list[Pool]] = defaultdict(list)
        for pool in family:
            parts[pool.pattern[place]].append(pool)
        return [pool for part in parts.values() for pool in _merged(part)]
    parts_of = ("table", "seeds", "runs", "floors")
    return [Pool(pattern, family[0].dtype, *(np.concatenate([getattr(p, name) for p in family]) for name in parts_of))]


def _pattern_of(names: Sequence[str]) -> str | None:
    """Give a pattern that names exactly these, which differ in digits; None where none does."""
    places = [sorted(set(letters)) for letters in zip(*names, strict=True)]
    if math.prod(map(len, places)) != len(names):
        return None
    return "".join(letters[0] if len(letters) == 1 else f"[{''.join(letters)}]" for letters in places)


def _agree(family: Sequence[Pool]) -> bool:
    """Whether the largest readings agree within AGREEMENT; what is below a floor is as good as the floor."""
    most = np.array([np.maximum(pool.most, pool.floor) for pool in family])
    return bool((most.max(axis=0) <= AGREEMENT * most.min(axis=0)).all())
