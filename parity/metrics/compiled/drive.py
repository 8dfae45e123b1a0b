"""The pass over one run of elements: compiled once for every pair of formats, and kept on disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from numba import njit

from parity.metrics import histograms
from parity.metrics.compiled import layout as at
from parity.metrics.compiled.bins import empty_tables
from parity.metrics.compiled.jit import EXACT, int64_at
from parity.metrics.compiled.tiles import add_tile, memory


def _sources() -> str:
    """Give a hash of everything that is compiled: numba itself looks at the file of the outermost function only."""
    files = [Path(histograms.__file__), *sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _outermost(sources: str) -> Callable[[int], int]:
    def drive(address: int) -> np.int64:
        here = memory(int64_at(address))
        elements, start, tallied = here.job[at.ELEMENTS], np.int64(0), np.int64(0)
        while start < elements and sources:
            count = min(at.TILE, elements - start)
            found = add_tile(start, count, here)
            if found < 0:
                break
            tallied += found
            start += count
        empty_tables(tallied, here.sums[at.MOST], here.tables, here.counts)
        return start

    return cast(Callable[[int], int], drive)


def compiled() -> Callable[[int], int]:
    """Compile the pass, or take it from the disk where the same sources have been compiled for this processor.

    The pass is given the address of a job, and gives how many elements it took in: fewer than the job has where
    the next tile is too extreme for it.
    """
    function, signature = _outermost(_sources()), ["int64(int64)"]
    try:
        return cast(Callable[[int], int], njit(signature, cache=True, **EXACT)(function))
    except Exception:  # numba raises many kinds here: nowhere to write, a full disk, a file cut short
        return cast(Callable[[int], int], njit(signature, **EXACT)(function))
