"""From measured runs to the bands of a stage."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from parity.calibrate.bands_file import PLACES, BandsFile, Cell, Row, levels
from parity.calibrate.ensemble import Table
from parity.calibrate.journal import Run, machine
from parity.calibrate.leave_one_out import floor_ratios, ratios
from parity.calibrate.pooling import Pool, pooled
from parity.calibrate.reading import AGAINST, COLUMNS, FIGURES, JUDGED
from parity.calibrate.sharing import shared
from parity.run.forward import Mode

# How many elements of a tensor of whole numbers may come out one off where the ensemble shows that some do.
ONE_OFF = 4


@dataclass(frozen=True)
class Source:
    """Where bands come from: the stage, the reference's release, and what else is worth telling."""

    stage: str
    release: str
    told: Mapping[str, str]


def bands_of(runs: Iterable[Run], source: Source) -> BandsFile:
    """Give the bands of a stage from the runs of its cases; `runs` may be read one by one."""
    counted: dict[str, dict[str, int]] = {}
    members: set[str] = set()
    seeds: set[int] = set()

    def counting() -> Iterable[Run]:
        for run in runs:
            of_case = counted.setdefault(run.key.case, {})
            of_case[run.key.dtype] = of_case.get(run.key.dtype, 0) + 1
            members.add(run.key.member)
            seeds.add(run.key.seed)
            yield run

    pools = [_with_whole_numbers(pool) for pool in pooled(counting())]
    by_dtype = {dtype: [p for p in pools if p.dtype == dtype] for dtype in sorted({pool.dtype for pool in pools})}
    beyond = {dtype: floor_ratios(found) for dtype, found in by_dtype.items()}
    provenance = {
        **machine(),
        **source.told,
        "members": " ".join(sorted(members)),
        "inputs": f"{len(seeds)}, seeds {min(seeds)} to {max(seeds)}" if seeds else "none",
        "created": datetime.now(UTC).date().isoformat(),
    }
    return BandsFile(
        source.stage,
        source.release,
        provenance,
        counted,
        {dtype: ratios(found) for dtype, found in by_dtype.items()},
        shared(_row(pool, beyond[pool.dtype]) for pool in sorted(pools, key=lambda pool: (pool.pattern, pool.dtype))),
    )


def _with_whole_numbers(pool: Pool) -> Pool:
    """Give whole numbers that some legitimate run has one off the floor of a few such elements.

    A rounding error moves a number across the edge where it is cut off, or it does not: how many elements cross is a
    matter of chance, which an ensemble without any says little about.
    """
    if pool.floor.any() or not pool.table.any():
        return pool
    floors = np.zeros(len(COLUMNS))
    for at, column in enumerate(COLUMNS):
        read = pool.table[..., COLUMNS.index("max_abs") if column not in FIGURES else at]
        least = float(read[read > 0].min())
        floors[at] = least * math.sqrt(ONE_OFF) if column == "relative_l2" else least
    return replace(pool, floors=np.broadcast_to(floors, pool.floors.shape))


def _row(pool: Pool, beyond: Table) -> Row:
    """Give the row of a pool; `beyond` is what its floors are multiplied by."""
    cells = {
        (mode, against): _cell(pool.table[:, m, a])
        for m, mode in enumerate(mode.value for mode in Mode)
        for a, against in enumerate(AGAINST)
    }
    assert cells.keys() == set(PLACES)
    own = pool.floor * beyond
    floors = tuple(float(own[COLUMNS.index(column)]) for column in JUDGED)
    return Row(pool.pattern, pool.dtype, len(np.unique(pool.runs)), floors, cells)


def _cell(readings: Table) -> Cell:
    ordered = np.sort(readings, axis=0)
    return tuple(_ranks(ordered[:, COLUMNS.index(column)], levels(column)) for column in JUDGED)


def _ranks(ordered: Table, at: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(ordered[math.ceil(level * len(ordered)) - 1]) for level in at)
