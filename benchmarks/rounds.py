"""Timing by rounds: what is compared takes turns, so that a busy moment of the machine falls on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Timing(NamedTuple):
    """Seconds: the median of the rounds, the best of them, and the least processor time (of all threads) of one."""

    median: float
    best: float
    processor: float


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds that one call takes, by the clock and of processor time."""
    start, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - processor


def in_rounds(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Call each in turn, for a number of rounds after one that does not count."""
    for function in functions.values():
        function()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            taken[name].append(timed(function))
    found = {}
    for name, times in taken.items():
        clock, processor = zip(*times, strict=True)
        found[name] = Timing(statistics.median(clock), min(clock), min(processor))
    return found
