"""What two rows say of the difference of their tensors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parity.errors import IncompleteError
from parity.metrics import CompareOptions
from parity.metrics.exactness import SUPPORTED, Pair, widened
from parity.metrics.record import NonFinite, NonFiniteCounts
from parity.metrics.ulp import ulp_distance
from parity.sketch.interval import DEVIATIONS, Interval, quantile_ranks, share_interval
from parity.sketch.recipe import BUCKETS
from parity.sketch.row import Row

SPREAD = DEVIATIONS / math.sqrt(2 * BUCKETS)
"""By how much of itself a norm estimated from the buckets is off at 90 % confidence: 2.97 %."""
SUM_ERRORS = {"float64": 0.0, "float32": 2.0**-21}
"""By how much of a tensor's norm its buckets may be off as a whole, by the precision of the sums."""
QUANTILES = (0.5, 0.9, 0.99)
# The other elements of a bucket stay within so many of their standard deviations, but once in 740 times.
_CERTAIN_DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True)
class Elements:
    """What exact elements say, `drawn` of them, or `all_of_them`.

    close: the share of all elements that are close, as `TensorComparison` has it. ulp: distances in representable
    steps, by the share of the elements that do not exceed them. max_abs, l2: the largest difference and the norm of
    the differences, of these elements alone.
    """

    drawn: int
    all_of_them: bool
    close: Interval
    ulp: Mapping[float, Interval]
    max_abs: float
    l2: float


@dataclass(frozen=True, slots=True)
class Change:
    """One of `blocks` blocks, and its norms."""

    block: int
    blocks: int
    candidate: float
    reference: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How a candidate's tensor differs from the reference's.

    relative_l2, cosine, max_abs: as `TensorComparison` has them, over all elements, what is not finite counting as 0.
    norm_ratio is exact. exponents: the share of the counted elements in which the histograms of exponents differ.
    channels, positions: the block of 64 channels and the range of positions whose norm changed most, in shares of the
    reference's norm; None where it did not, or where there is none. elements: None where no exact element can be
    compared.
    """

    relative_l2: Interval
    cosine: Interval
    max_abs: Interval
    norm_ratio: float
    exponents: float
    nonfinite: NonFinite
    channels: Change | None
    positions: Change | None
    elements: Elements | None


def difference(name: str, own: Row, reference: Row, sums: Sequence[str]) -> Difference:
    """Estimate from two rows of tensors of one shape, taken by one recipe; `sums` says in which precisions.

    IncompleteError where the shapes differ.
    """
    if own.shape != reference.shape:
        raise IncompleteError(
            name, f"candidate's shape {own.shape}", f"the reference's {reference.shape}", "sketch the same case"
        )
    elements = _elements(own, reference)
    distance, largest = _distances(own, reference, sums, elements)
    return Difference(
        relative_l2=distance.over(reference.norm),
        cosine=_cosine(distance, own.norm, reference.norm),
        max_abs=largest,
        norm_ratio=_norm_ratio(own.norm, reference.norm),
        exponents=float(np.abs(own.exponents - reference.exponents).sum())
        / max(int(own.exponents.sum() + reference.exponents.sum()), 1),
        nonfinite=_nonfinite(own, reference),
        channels=_change(own.channels, reference.channels),
        positions=_change(own.positions, reference.positions),
        elements=elements,
    )


def no_difference(row: Row) -> Difference:
    """Give what is said of a tensor that both sides have, bit for bit."""
    none = Interval.exactly(0.0)
    return Difference(none, Interval.exactly(1.0), none, 1.0, 0.0, _nonfinite(row, row), None, None, None)


def _nonfinite(own: Row, reference: Row) -> NonFinite:
    return NonFinite(NonFiniteCounts(*own.nonfinite), NonFiniteCounts(*reference.nonfinite))


def _distances(own: Row, reference: Row, sums: Sequence[str], elements: Elements | None) -> tuple[Interval, Interval]:
    """Estimate the norm of the difference, and its largest magnitude."""
    if elements is not None and elements.all_of_them:
        return Interval.exactly(elements.l2), Interval.exactly(elements.max_abs)
    buckets = own.bucket_values - reference.bucket_values
    found = _norm(buckets)
    # Squares are taken of all of them.
    if not math.isfinite(found * found + own.norm + reference.norm):
        return Interval.unknown(), Interval.unknown()
    # A run of elements has a bucket for each: then nothing is left to chance.
    by_chance = own.size > BUCKETS
    norm = _true_norm(found, (own.scale, reference.scale), SPREAD if by_chance else 0.0)
    added = max(map(SUM_ERRORS.__getitem__, sums)) * (own.norm + reference.norm)
    norm = Interval(found, max(0.0, norm.low - added), norm.high + added)
    others = _CERTAIN_DEVIATIONS * found / math.sqrt(BUCKETS) if by_chance else 0.0
    seen = 0.0 if elements is None else elements.max_abs
    low = max(seen, abs(own.largest - reference.largest), norm.low / math.sqrt(max(own.size, 1)))
    one = float(np.abs(buckets).max()) + others + (own.scale + reference.scale) / 2 + added
    high = max(low, min(norm.high, one, own.largest + reference.largest))
    return norm, Interval(max(seen, low), low, high)


def _true_norm(found: float, steps: tuple[float, float], spread: float) -> Interval:
    """Give between what a difference is whose buckets, each rounded to whole steps, have the norm `found`.

    Rounding adds noise of a twelfth of the squared step to each bucket of both sides: to the square of the norm as a
    whole, and along the difference itself. Where the difference moves buckets by less than a step, no bucket may move.
    """
    noise = (steps[0] ** 2 + steps[1] ** 2) / 12
    along = DEVIATIONS * math.sqrt(noise)
    least = math.sqrt(max(0.0, found**2 - (1 + 2 * SPREAD) * BUCKETS * noise))
    most = found * (1 + spread) + along + sum(steps) / 2
    return Interval(found, max(0.0, least * (1 - spread) - along), most)


def _norm(values: NDArray[np.float64]) -> float:
    """Give the norm; not finite where a value is not, or where no float64 holds it."""
    most = float(np.abs(values).max())
    # Squares of what is near either end of float64 are beyond it.
    return most * float(np.linalg.norm(values / most)) if 0 < most < math.inf else most


def _cosine(distance: Interval, own: float, reference: float) -> Interval:
    if own == 0 or reference == 0:
        return Interval.exactly(1.0 if own == reference else 0.0)

    def at(far: float) -> float:
        # Not by the scalar product: there is nothing left of 1 - cosine where it is small.
        return min(1.0, max(-1.0, 1.0 - (far * far - (own - reference) ** 2) / (2 * own * reference)))

    if math.isinf(distance.high):
        return Interval(math.nan, -1.0, 1.0)
    return Interval(at(distance.estimate), at(distance.high), at(distance.low))


def _norm_ratio(own: float, reference: float) -> float:
    return 1.0 if own == reference else own / reference if reference > 0 else math.inf


def _change(own: NDArray[np.float32], reference: NDArray[np.float32]) -> Change | None:
    """Name the block whose norm changed most, by the larger of its two norms."""
    if not own.size:
        return None
    larger = np.maximum(own, reference, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        changes = np.nan_to_num(np.abs(own.astype(np.float64) - reference) / larger)
    block = int(changes.argmax())
    if changes[block] == 0:
        return None
    return Change(block, own.size, float(own[block]), float(reference[block]))


def _elements(own: Row, reference: Row) -> Elements | None:
    count = min(own.elements.size // own.dtype.itemsize, reference.elements.size // reference.dtype.itemsize)
    if not count or {own.dtype, reference.dtype} - SUPPORTED:
        return None
    pair = Pair(own.values[:count], reference.values[:count])
    left, right = widened(pair.candidate), widened(pair.reference)
    finite = left.isfinite() & right.isfinite()
    errors = (left - right).abs()
    relative, absolute = CompareOptions().tolerances(own.dtype)
    close = (left == right) | ((errors <= absolute + relative * right.abs()) & finite)
    whole = count == own.size
    errors = (left.where(left.isfinite(), 0.0) - right.where(right.isfinite(), 0.0)).abs()
    told = int(close.sum())
    return Elements(
        drawn=count,
        all_of_them=whole,
        close=Interval.exactly(told / count) if whole else share_interval(told, count),
        ulp=_ulp(Pair(pair.candidate[finite], pair.reference[finite]), right[finite], whole),
        max_abs=float(errors.max()),
        l2=float(torch.linalg.vector_norm(errors)),
    )


def _ulp(pair: Pair, reference: Tensor, whole: bool) -> dict[float, Interval]:
    distance = ulp_distance(pair, reference)
    if not distance.numel():
        return {}
    # The bits of unsigned numbers: what needs all 64 looks negative.
    steps = torch.where(distance < 0, distance.double() + 2.0**64, distance.double()).sort().values
    found = {}
    for level in QUANTILES:
        at, low, high = (float(steps[place]) for place in quantile_ranks(level, len(steps)))
        found[level] = Interval.exactly(at) if whole else Interval(at, low, high)
    return found
