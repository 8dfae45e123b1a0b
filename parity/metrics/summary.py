"""The record of a finished comparison, from what was accumulated."""

import math

import torch

from parity.errors import IncompleteError
from parity.metrics.accumulator import Accumulator
from parity.metrics.histograms import error_histogram, ulp_histogram, upper_quantiles
from parity.metrics.record import TensorComparison
from parity.metrics.scaled import cosine, root_ratio

QUANTILE_LEVELS = (0.5, 0.9, 0.99, 0.999, 0.9999)


def summarise(found: Accumulator) -> TensorComparison:
    """Record of every element of the subject; raises `IncompleteError` when some were never taken in."""
    shape, moments = found.subject.shape, found.moments
    _require_all(found)
    finite = found.elements - found.nonfinite.excluded
    exact = found.elements if found.error_counts[0] == found.elements == found.ulp_counts[0] else None
    errors, ulps = _only_zeros(exact) if exact is not None else _histograms(found)
    max_abs = moments.max_abs if finite else math.nan
    return TensorComparison(
        elements=found.elements,
        finite_elements=finite,
        shape=shape,
        candidate_dtype=_name(found.subject.candidate_dtype),
        reference_dtype=_name(found.subject.reference_dtype),
        identical=found.elements > 0 and found.same_bits and not found.nonfinite.has_nan,
        norm_candidate=moments.candidate_squares.root(),
        norm_reference=moments.reference_squares.root(),
        **_ratios(found, finite),
        max_abs=max_abs,
        mean_abs=_mean(moments.absolute, finite),
        bias=_mean(moments.signed, finite),
        close_fraction=found.close / found.elements if found.elements else 0.0,
        quantiles=upper_quantiles(errors, QUANTILE_LEVELS, max_abs),
        error_histogram=errors,
        ulp_histogram=ulps,
        max_ulp=moments.max_ulp if finite else -1,
        worst=found.worst.finish(shape),
        concentration=found.axes.finish(),
        nonfinite=found.nonfinite.counts(),
        nonfinite_mismatch=found.nonfinite.mismatch,
        nonfinite_first=found.nonfinite.first(shape),
    )


def _only_zeros(elements: int) -> tuple[dict[float, int], dict[int, int]]:
    # What the histograms of most taps of a good port look like: not worth searching the bins for.
    return ({0.0: elements}, {0: elements}) if elements else ({}, {})


def _histograms(found: Accumulator) -> tuple[dict[float, int], dict[int, int]]:
    return error_histogram(found.error_counts), ulp_histogram(found.ulp_counts)


def _require_all(found: Accumulator) -> None:
    expected = math.prod(found.subject.shape)
    if found.elements != expected:
        got = f"{found.elements} elements compared"
        raise IncompleteError(found.options.name, got, f"all {expected}", "compare the whole tensor")


def _ratios(found: Accumulator, finite: int) -> dict[str, float]:
    if not finite:
        return dict.fromkeys(("relative_l2", "norm_ratio", "cosine"), math.nan)
    moments = found.moments
    own, other = moments.candidate_squares, moments.reference_squares
    return {
        "relative_l2": root_ratio(moments.difference_squares, other, both_zero=0.0),
        "norm_ratio": root_ratio(own, other, both_zero=1.0),
        "cosine": cosine(moments.product, own, other),
    }


def _mean(total: float, count: int) -> float:
    return total / count if count else math.nan


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
