"""The record of a finished comparison, from what was accumulated."""

import math

import torch

from parity.errors import IncompleteError
from parity.metrics.accumulator import Accumulator
from parity.metrics.found import Found, Moments
from parity.metrics.histograms import error_histogram, ulp_histogram, upper_quantiles
from parity.metrics.record import TensorComparison
from parity.metrics.scaled import cosine, root_ratio

QUANTILE_LEVELS = (0.5, 0.9, 0.99, 0.999, 0.9999)


def summarise(found: Accumulator) -> TensorComparison:
    """Record of every element of the subject; raises `IncompleteError` when some were never taken in."""
    shape, total, moments = found.subject.shape, found.total, found.total.moments
    _require_all(found)
    finite = total.elements - total.nonfinite.excluded
    exact = total.error_counts[0] == total.elements == total.ulp_counts[0]
    errors, ulps = _only_zeros(total.elements) if exact else _histograms(total)
    max_abs = moments.max_abs if finite else math.nan
    return TensorComparison(
        elements=total.elements,
        finite_elements=finite,
        shape=shape,
        candidate_dtype=dtype_name(found.subject.candidate_dtype),
        reference_dtype=dtype_name(found.subject.reference_dtype),
        identical=total.elements > 0 and total.same_bits and not total.nonfinite.has_nan,
        norm_candidate=moments.candidate_squares.root(),
        norm_reference=moments.reference_squares.root(),
        **_ratios(moments, finite),
        max_abs=max_abs,
        mean_abs=_mean(moments.absolute, finite),
        bias=_mean(moments.signed, finite),
        close_fraction=total.close / total.elements if total.elements else 0.0,
        quantiles=upper_quantiles(errors, QUANTILE_LEVELS, max_abs),
        error_histogram=errors,
        ulp_histogram=ulps,
        max_ulp=moments.max_ulp if finite else -1,
        worst=total.worst.finish(shape),
        concentration=found.axes.finish(),
        nonfinite=total.nonfinite.counts(),
        nonfinite_mismatch=total.nonfinite.mismatch,
        nonfinite_first=total.nonfinite.place(shape),
    )


def _only_zeros(elements: int) -> tuple[dict[float, int], dict[int, int]]:
    # What the histograms of most taps of a good port look like: not worth searching the bins for.
    return ({0.0: elements}, {0: elements}) if elements else ({}, {})


def _histograms(found: Found) -> tuple[dict[float, int], dict[int, int]]:
    return error_histogram(found.error_counts), ulp_histogram(found.ulp_counts)


def _require_all(found: Accumulator) -> None:
    expected = math.prod(found.subject.shape)
    if found.total.elements != expected:
        got = f"{found.total.elements} elements compared"
        raise IncompleteError(found.options.name, got, f"all {expected}", "compare the whole tensor")


def _ratios(moments: Moments, finite: int) -> dict[str, float]:
    if not finite:
        return dict.fromkeys(("relative_l2", "norm_ratio", "cosine"), math.nan)
    own, other = moments.candidate_squares, moments.reference_squares
    return {
        "relative_l2": root_ratio(moments.difference_squares, other, both_zero=0.0),
        "norm_ratio": root_ratio(own, other, both_zero=1.0),
        "cosine": cosine(moments.product, own, other),
    }


def _mean(total: float, count: int) -> float:
    return total / count if count else math.nan


def dtype_name(dtype: torch.dtype) -> str:
    """Give the name that records use."""
    return str(dtype).removeprefix("torch.")
