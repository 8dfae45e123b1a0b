"""Garbage collection where almost nothing is garbage: a run keeps what it finds, and loses it all at its end."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Net allocations before the youngest objects are looked through: about what a thousand readings come to.
_YOUNG = 100_000
# Who spares at the moment, outermost first: of the process as its collector is, and not of a thread.
_SPARING: list[None] = []


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage seldom: cycles are few, and may wait; all else is freed when it is no longer used.

    With Python's thresholds the records of a large run are walked through again and again while they are made, sent
    and reported: a third of the time that a report takes.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(_YOUNG, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@contextmanager
def spared_by_collections() -> Iterator[None]:
    """Keep what exists already out of garbage collections, and collect seldom.

    A whole pipeline, of either side, collects after each of its components, and each time walks through all that this
    process has imported and loaded: a third of the time of such a case. Within another one all is given back when that
    one ends: given back is all or nothing.
    """
    if _SPARING:
        spare_what_came()
    else:
        gc.freeze()
    _SPARING.append(None)
    try:
        with seldom_collected():
            yield
    finally:
        _SPARING.pop()
        if not _SPARING:
            gc.unfreeze()


def spare_what_came() -> None:
    """Keep what came since `spared_by_collections` began, and is no garbage, out of collections until it ends."""
    if _SPARING:
        gc.collect()
        gc.freeze()
