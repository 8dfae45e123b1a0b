"""The comparison of a tensor with its own bits: what most taps of a good port come to."""

import torch

from parity.metrics.onepass import compare
from parity.metrics.options import CompareOptions
from parity.metrics.record import TensorComparison


def compare_equal(tensor: torch.Tensor, options: CompareOptions) -> TensorComparison:
    """Give what `compare(tensor, tensor, options)` gives."""
    return compare(tensor, tensor, options)
