"""The pass over one run of elements of two tensors."""

from collections.abc import Callable

import numpy as np

from parity.metrics.compiled import layout as at
from parity.metrics.compiled.bins import empty_tables
from parity.metrics.compiled.cached import Pass, cached
from parity.metrics.compiled.jit import int64_at
from parity.metrics.compiled.tiles import add_tile, fetch_ahead, memory


def comparison_pass() -> Pass:
    """Give the pass: it takes the address of a job, and gives how many elements it took in.

    These are fewer than the job has where the next tile is too extreme for it.
    """
    return cached(_outermost, "int64(int64)")


def _outermost(sources: str) -> Callable[[int], np.int64]:
    def compare(address: int) -> np.int64:
        here = memory(int64_at(address))
        elements, start, tallied = here.job[at.ELEMENTS], np.int64(0), np.int64(0)
        while start < elements and sources:
            count = min(at.TILE, elements - start)
            fetch_ahead(start, here)
            found = add_tile(start, count, here)
            if found < 0:
                break
            tallied += found
            start += count
        empty_tables(tallied, here.sums[at.MOST], here.tables, here.counts)
        return start

    return compare
