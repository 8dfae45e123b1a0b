"""Compiled passes on disk: compiled once for all sources and this processor, by whoever comes first."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

from numba import njit

from parity.metrics import histograms
from parity.metrics.compiled.jit import EXACT

# A pass is given addresses and numbers.
Pass = Callable[..., int]


def cached(outermost: Callable[[str], Callable[..., Any]], signature: str, nogil: bool = True) -> Pass:
    """Compile the pass that `outermost` makes, or take it from the disk.

    `outermost` is given a hash of all sources, which the pass must use: numba tells a stale file by the source of the
    outermost function and by what it encloses, and looks at no function that it calls. There is one signature, so two
    processes that compile at once write the same. Where nothing can be written, or what is there cannot be read, it is
    compiled for this process alone. `nogil`: other threads go on while it works, which costs it a moment at each call.
    """
    function = outermost(_sources())
    options = {**EXACT, "nogil": nogil}
    try:
        return cast(Pass, njit([signature], cache=True, **options)(function))
    except Exception:  # numba lets anything through here: no folder to write to, a full disk, a file cut short
        return cast(Pass, njit([signature], **options)(function))


@cache
def _sources() -> str:
    files = [Path(histograms.__file__), *sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
