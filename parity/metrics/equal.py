"""The comparison of a tensor with its own bits: what most taps of a good port come to."""

import math

import torch

from parity.metrics.onepass import compare
from parity.metrics.options import CompareOptions
from parity.metrics.record import NonFinite, NonFiniteCounts, TensorComparison
from parity.metrics.summary import QUANTILE_LEVELS, dtype_name


def compare_equal(tensor: torch.Tensor, options: CompareOptions) -> TensorComparison:
    """Give what `compare(tensor, tensor, options)` gives."""
    return compare(tensor, tensor, options)


def equal_by_norm(shape: tuple[int, ...], dtype: torch.dtype, norm: float) -> TensorComparison:
    """Give what `compare_equal` gives of a finite tensor, from its norm alone: for who has seen that the bits agree."""
    elements = math.prod(shape)
    name = dtype_name(dtype)
    none = NonFiniteCounts(0, 0, 0)
    return TensorComparison(
        elements=elements,
        finite_elements=elements,
        shape=shape,
        candidate_dtype=name,
        reference_dtype=name,
        identical=elements > 0,
        norm_candidate=norm,
        norm_reference=norm,
        relative_l2=0.0 if elements else math.nan,
        norm_ratio=1.0 if elements else math.nan,
        cosine=1.0 if elements else math.nan,
        max_abs=0.0 if elements else math.nan,
        mean_abs=0.0 if elements else math.nan,
        bias=0.0 if elements else math.nan,
        close_fraction=1.0 if elements else 0.0,
        quantiles=dict.fromkeys(QUANTILE_LEVELS, 0.0 if elements else math.nan),
        error_histogram={0.0: elements} if elements else {},
        ulp_histogram={0: elements} if elements else {},
        max_ulp=0 if elements else -1,
        worst=(),
        concentration=(),
        nonfinite=NonFinite(none, none),
        nonfinite_mismatch=0,
        nonfinite_first=None,
    )
