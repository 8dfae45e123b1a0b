"""Histograms as short runs of counts, and back."""

from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from parity.errors import BadInputError
from parity.metrics import ERROR_BINS, ULP_BINS

Edge = TypeVar("Edge", float, int)
ERROR_EDGES = ERROR_BINS.upper_edges
# The last bin of distances has no upper edge; comparisons call it 2**64.
ULP_EDGES = (*(int(edge) for edge in ULP_BINS.upper_edges[:-1]), 2**64)
_NEXT = "compare again"


def run_of(histogram: Mapping[Edge, int], edges: tuple[Edge, ...], where: str) -> list[int]:
    """Give [count at 0, bin of the next count, counts from that bin on]; BadInputError for an unknown edge.

    The bins are those of `edges`, from 0; the run ends at the last occupied bin, and is [count at 0] where only
    zeros were met.
    """
    index = _indices(edges)
    unknown = [edge for edge in histogram if edge not in index]
    if unknown:
        raise BadInputError(where, f"a histogram edge {unknown[0]!r:.40}", "the edges of parity.metrics", _NEXT)
    counts: dict[int, int] = {index[edge]: count for edge, count in histogram.items()}
    above: list[int] = sorted(counts.keys() - {0})
    if not above:
        return [counts.get(0, 0)]
    return [counts.get(0, 0), above[0], *(counts.get(at, 0) for at in range(above[0], above[-1] + 1))]


def histogram_of(run: list[int], edges: tuple[Edge, ...], where: str) -> dict[Edge, int]:
    """Give upper edge -> count for the occupied bins; BadInputError for a run that `run_of` does not give."""
    histogram = {edges[0]: run[0]} if run and run[0] else {}
    if len(run) > 1:
        first, counts = run[1], run[2:]
        whole = counts and counts[0] and counts[-1] and first >= 1 and first + len(counts) <= len(edges)
        if not whole:
            raise _not_a_run(run, where)
        histogram |= {edges[first + step]: count for step, count in enumerate(counts) if count}
    if not run or min(run) < 0:
        raise _not_a_run(run, where)
    return histogram


@cache
def _indices(edges: tuple[Edge, ...]) -> dict[Edge, int]:
    return {edge: at for at, edge in enumerate(edges)}


def _not_a_run(run: list[int], where: str) -> BadInputError:
    return BadInputError(where, f"{run!r:.60}", "[zeros, first bin, counts...] within the bins", _NEXT)
