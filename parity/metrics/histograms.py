"""Fixed logarithmic bins, found from the bits of a float64 rather than from a logarithm."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Counts = npt.NDArray[np.int64]


class LogBins:
    """Bins for values >= 0: one for exact zero, then (0, 2**lowest], geometric bins to 2**highest, the rest.

    Every bin but the first is open below and closed above, so its upper edge is never less than any value in
    it. Each doubling holds `2**split_bits` bins of equal width.
    """

    def __init__(self, lowest: int, highest: int, split_bits: int):
        self.lowest, self.highest, self.split_bits = lowest, highest, split_bits
        # The leading bits of a float64 count up by one from each bin to the next.
        self._shift = 52 - split_bits
        self._below_first = ((1023 + lowest) << split_bits) - 2
        self.bin_count = ((highest - lowest) << split_bits) + 3

    @cached_property
    def upper_edges(self) -> tuple[float, ...]:
        """Inclusive upper edge of each bin: 0, then 2**lowest and on, last +inf."""
        per_octave = 1 << self.split_bits
        inner = [
            math.ldexp(1 + part / per_octave, octave)
            for octave in range(self.lowest, self.highest)
            for part in range(per_octave)
        ]
        return (0.0, *inner, math.ldexp(1.0, self.highest), math.inf)

    def tally(self, values: Tensor) -> Counts:
        """How many of the values (float64, all >= 0, none NaN) fall in each bin."""
        # One bit pattern down puts a value that lies exactly on an edge into the bin below that edge.
        index = ((values.view(torch.int64) - 1) >> self._shift) - self._below_first
        index = index.clamp(1, self.bin_count - 1).where(values > 0, 0)
        counts: Counts = torch.bincount(index, minlength=self.bin_count).cpu().numpy()
        return counts


# From below 1e-12 to above 1e6, a quarter octave at a time: an edge exceeds any value in its bin by < 25%.
ERROR_BINS = LogBins(lowest=-40, highest=20, split_bits=2)
# Distances 0, 1, 2, 3-4, 5-8, ... Whole numbers to 2**53 are exact in float64, so the last edge is exact too.
ULP_BINS = LogBins(lowest=0, highest=52, split_bits=0)


def error_histogram(counts: Counts) -> dict[float, int]:
    """Occupied error bins, as inclusive upper edge -> count, ascending; 0.0 holds the exact zeros."""
    occupied = counts.nonzero()[0]
    edges = ERROR_BINS.upper_edges
    return {edges[b]: c for b, c in zip(occupied.tolist(), counts[occupied].tolist(), strict=True)}


def ulp_histogram(counts: Counts) -> dict[int, int]:
    """Occupied distance bins, as inclusive upper edge -> count, ascending; 2**64 holds all above 2**52."""
    occupied = counts.nonzero()[0]
    last = ULP_BINS.bin_count - 1
    return {
        2**64 if b == last else int(ULP_BINS.upper_edges[b]): c
        for b, c in zip(occupied.tolist(), counts[occupied].tolist(), strict=True)
    }


def upper_quantiles(histogram: Mapping[float, int], levels: Sequence[float], most: float) -> dict[float, float]:
    """For each level, a value that at least that share of the errors does not exceed.

    It is the upper edge of the bin in which the quantile lies, or `most` (the largest error) where that is
    less: never below the true quantile. NaN for each level where the histogram is empty.
    """
    total = sum(histogram.values())
    if total == 0 or most == 0:
        return dict.fromkeys(levels, 0.0 if total else math.nan)
    edges, seen = list(histogram), list(accumulate(histogram.values()))
    return {level: min(edges[bisect_left(seen, math.ceil(level * total))], most) for level in levels}
