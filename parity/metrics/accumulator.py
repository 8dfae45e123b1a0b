"""What is remembered of the elements compared so far."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from parity.errors import IncompleteError
from parity.metrics.concentration import AxisSums
from parity.metrics.exactness import Floats, Pair, difference, same_bits, widened
from parity.metrics.histograms import ERROR_BINS, ULP_BINS
from parity.metrics.nonfinite import NonFiniteTally
from parity.metrics.options import CompareOptions
from parity.metrics.scaled import Rescaled, ScaledSum, inner_product, rescaled
from parity.metrics.ulp import ulp_distance
from parity.metrics.worst import WorstElements

# Elements measured at once: few enough for the intermediate arrays to stay in cache, and fewer than the
# 32768 from which torch starts threads, which on a shared machine cost milliseconds where the work takes
# microseconds.
TILE_ELEMENTS = 3 * 2**13


class Subject(NamedTuple):
    """What is being compared: the common shape and the two dtypes."""

    shape: tuple[int, ...]
    candidate_dtype: torch.dtype
    reference_dtype: torch.dtype


@dataclass(slots=True)
class Moments:
    """Sums over the finite elements, and the largest error and distance."""

    candidate_squares: ScaledSum = field(default_factory=ScaledSum)
    reference_squares: ScaledSum = field(default_factory=ScaledSum)
    product: ScaledSum = field(default_factory=ScaledSum)
    difference_squares: ScaledSum = field(default_factory=ScaledSum)
    signed: float = 0.0
    absolute: float = 0.0
    max_abs: float = 0.0
    max_ulp: int = 0

    def add_sides(self, candidate: Rescaled, reference: Rescaled) -> None:
        """Add the squares and products of the two sides."""
        self.candidate_squares.add_squares(candidate)
        self.reference_squares.add_squares(reference)
        mantissa = inner_product(candidate.values, reference.values)
        self.product.add(mantissa, candidate.shift + reference.shift)

    def merge(self, other: "Moments") -> None:
        """Add the sums over another set of elements."""
        self.candidate_squares.merge(other.candidate_squares)
        self.reference_squares.merge(other.reference_squares)
        self.product.merge(other.product)
        self.difference_squares.merge(other.difference_squares)
        self.signed += other.signed
        self.absolute += other.absolute
        self.max_abs = max(self.max_abs, other.max_abs)
        self.max_ulp = max(self.max_ulp, other.max_ulp)


class Accumulator:
    """Running comparison of one subject, fed with disjoint runs of elements in any order.

    Two accumulators of one subject fed with disjoint runs can be merged.
    """

    def __init__(self, subject: Subject, options: CompareOptions):
        self.subject, self.options = subject, options
        self.elements = 0
        self.close = 0
        self.same_bits = True
        self.moments = Moments()
        self.error_counts = np.zeros(ERROR_BINS.bin_count, np.int64)
        self.ulp_counts = np.zeros(ULP_BINS.bin_count, np.int64)
        self.worst = WorstElements(options.worst_count)
        self.axes = AxisSums(subject.shape)
        self.nonfinite = NonFiniteTally()
        self._rtol, self._atol = options.tolerances(subject.candidate_dtype)

    def add(self, start: int, pair: Pair) -> None:
        """Take in the elements from flat position `start` on."""
        size = pair.candidate.numel()
        # Overflow and NaN are results here, reported as such, not accidents to warn of.
        with np.errstate(over="ignore", invalid="ignore"):
            for at in range(0, size, TILE_ELEMENTS):
                tile = pair if size <= TILE_ELEMENTS else pair.cut(at, at + TILE_ELEMENTS)
                self._add_tile(start + at, tile)

    def merge(self, other: "Accumulator") -> None:
        """Take in what another accumulator took in; raises `IncompleteError` if its subject is another."""
        if other.subject != self.subject or other.options != self.options:
            where, got = self.options.name, f"part of {other.subject}"
            raise IncompleteError(where, got, f"part of {self.subject}", "merge parts of one comparison")
        self.elements += other.elements
        self.close += other.close
        self.same_bits &= other.same_bits
        self.error_counts += other.error_counts
        self.ulp_counts += other.ulp_counts
        self.moments.merge(other.moments)
        self.worst.merge(other.worst)
        self.axes.merge(other.axes)
        self.nonfinite.merge(other.nonfinite)

    def _add_tile(self, start: int, tile: Pair) -> None:
        self.elements += tile.candidate.numel()
        same = same_bits(tile)
        self.same_bits &= same
        candidate = rescaled(widened(tile.candidate))
        if same and candidate.is_finite:
            self._add_equal(candidate)
            return
        reference = rescaled(widened(tile.reference))
        if not (candidate.is_finite and reference.is_finite):
            tile = self._without_nonfinite(start, tile)
            candidate, reference = rescaled(widened(tile.candidate)), rescaled(widened(tile.reference))
        self.moments.add_sides(candidate, reference)
        self._add_differences(start, tile, widened(tile.candidate), widened(tile.reference))

    def _add_equal(self, side: Rescaled) -> None:
        """What `_add_differences` would come to for two equal sides, all finite, without measuring it."""
        self.moments.candidate_squares.add_squares(side)
        self.moments.reference_squares.add_squares(side)
        self.moments.product.add_squares(side)
        self._add_zero_errors(side.values.size)

    def _without_nonfinite(self, start: int, tile: Pair) -> Pair:
        before = self.nonfinite.excluded, self.nonfinite.equal_infinities
        tile = self.nonfinite.take_out(start, tile)
        # The zeros put in their place will be counted as exact agreement; only equal infinities are close.
        self._add_zero_errors(before[0] - self.nonfinite.excluded)
        self.close += self.nonfinite.equal_infinities - before[1]
        return tile

    def _add_zero_errors(self, count: int) -> None:
        self.close += count
        self.error_counts[0] += count
        self.ulp_counts[0] += count

    def _add_differences(self, start: int, tile: Pair, candidate: Floats, reference: Floats) -> None:
        signed = difference(tile, candidate, reference, self.options.name)
        error = np.abs(signed)
        scaled = rescaled(signed)
        moments = self.moments
        moments.difference_squares.add_squares(scaled)
        moments.signed += float(signed.sum())
        moments.absolute += float(error.sum())
        self.close += int(np.count_nonzero(error <= self._atol + self._rtol * np.abs(reference)))
        self.error_counts += ERROR_BINS.tally(error)
        self.axes.add(scaled.values * scaled.values, start, 2 * scaled.shift)
        moments.max_abs = max(moments.max_abs, float(error.max()))
        self.worst.add(start, candidate, reference, error)
        distance = ulp_distance(tile, reference)
        moments.max_ulp = max(moments.max_ulp, int(distance.max()))
        self.ulp_counts += ULP_BINS.tally(distance.astype(np.float64))
