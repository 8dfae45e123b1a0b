"""What is known of some elements of a comparison: counts, sums, and the largest errors."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from parity.metrics.concentration import Window
from parity.metrics.histograms import ERROR_BINS, ULP_BINS, Counts
from parity.metrics.nonfinite import NonFiniteTally
from parity.metrics.scaled import ScaledSum
from parity.metrics.worst import WorstElements


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


@dataclass(slots=True)
class Found:
    """What an engine found in one run of elements, or in several that were merged.

    `windows` are the squared errors summed onto the axes; merging leaves them to `AxisSums`.
    """

    worst: WorstElements
    elements: int = 0
    close: int = 0
    same_bits: bool = True
    moments: Moments = field(default_factory=Moments)
    error_counts: Counts = field(default_factory=lambda: np.zeros(ERROR_BINS.bin_count, np.int64))
    ulp_counts: Counts = field(default_factory=lambda: np.zeros(ULP_BINS.bin_count, np.int64))
    nonfinite: NonFiniteTally = field(default_factory=NonFiniteTally)
    windows: tuple[Window, ...] = ()

    def add_zero_errors(self, count: int) -> None:
        """Count elements that agree exactly; a negative count takes back what was counted as such."""
        self.close += count
        self.error_counts[0] += count
        self.ulp_counts[0] += count

    def merge(self, other: "Found") -> None:
        """Take in what was found in another set of elements."""
        self.elements += other.elements
        self.close += other.close
        self.same_bits &= other.same_bits
        self.error_counts += other.error_counts
        self.ulp_counts += other.ulp_counts
        self.moments.merge(other.moments)
        self.worst.merge(other.worst)
        self.nonfinite.merge(other.nonfinite)
