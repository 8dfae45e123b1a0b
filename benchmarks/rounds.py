"""Timing by rounds: what is compared takes turns, so that a busy moment of the machine falls on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Timing(NamedTuple):
    """Seconds: the median of the rounds, and the best of them."""

    median: float
    best: float


def timed(function: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_rounds(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Call each in turn, for a number of rounds after one that does not count."""
    for function in functions.values():
        function()
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            taken[name].append(timed(function))
    return {name: Timing(statistics.median(times), min(times)) for name, times in taken.items()}
