"""The figures of one comparison that noise is measured in, all of them relative to the size of the tensor."""

import math
from dataclasses import dataclass

from parity.metrics import TensorComparison
from parity.metrics.histograms import ERROR_BINS

FIGURES = ("relative_l2", "max_abs")
# Shares of the elements: together with the largest error they say how the error is distributed.
LEVELS = (0.5, 0.9, 0.99, 0.999)
# How wide the bins are that shares are read off: what a reading may be above the error.
BIN = 1 + 2.0**-ERROR_BINS.split_bits
COLUMNS = (*FIGURES, *(f"error_{level}" for level in LEVELS))
# What classes are told by: the median says no more than the whole error does, the last thousandth than the largest.
JUDGED = (*FIGURES, "error_0.9", "error_0.99")
# What an error is taken against: the reference in a wider precision, or the reference in the candidate's own.
TRUTH, REFERENCE = "truth", "reference"
AGAINST = (TRUTH, REFERENCE)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far one tap was from what it is taken against.

    `max_abs`, and `shares` (for each of LEVELS an error that this share of the elements does not exceed), are
    relative to the root mean square of what they are taken against, as budgets have them. `same`: the reference's own
    bits.
    """

    relative_l2: float
    max_abs: float
    shares: tuple[float, ...]
    same: bool

    @property
    def columns(self) -> tuple[float, ...]:
        """The figures in the order of COLUMNS."""
        return (self.relative_l2, self.max_abs, *self.shares)


def columns(found: TensorComparison) -> tuple[float, ...]:
    """Give the figures of a comparison in the order of COLUMNS; infinite where it compared nothing, or not all."""
    if found.elements == 0 or found.has_nonfinite:
        return (math.inf,) * len(COLUMNS)
    scale = found.norm_reference / math.sqrt(found.elements)
    return (
        found.relative_l2,
        relative(found.max_abs, scale),
        *(relative(found.quantiles[level], scale) for level in LEVELS),
    )


def relative(error: float, scale: float) -> float:
    """Give an error in units of a scale: 0 for no error, infinite for one where there is no scale."""
    if error == 0:
        return 0.0
    return error / scale if scale > 0 else math.inf
