"""Reads pairs of tensors where they are: whether any bit differs, and the sum of squares."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from parity.run.judging import as_bits

SMALL = 2**20
"""Up to how many elements sums are in float64 at any rate."""

Pair = tuple[Tensor, Tensor]


class Read(NamedTuple):
    """For each pair, on their device: `differ` is not 0 where a bit differs; `squares` is the sum over the first."""

    differ: Tensor
    squares: Tensor


Reader = Callable[[Sequence[Pair], torch.dtype], Read]
"""Reads pairs of one device; sums are in float32 or float64."""


def read_one_by_one(pairs: Sequence[Pair], sums: torch.dtype) -> Read:
    """Read with torch operations, pair after pair."""
    differ = [torch.ne(as_bits(own), as_bits(reference.to(own.device))).any() for own, reference in pairs]
    return Read(torch.stack(differ).double(), torch.stack([_squares(own, sums) for own, _ in pairs]))


def _squares(tensor: Tensor, sums: torch.dtype) -> Tensor:
    # Small tensors take no time in float64, which holds the squares of masks too.
    wide = torch.float64 if tensor.dtype == torch.float64 or tensor.numel() <= SMALL else sums
    floats = tensor if tensor.is_floating_point() else tensor.to(wide)
    return torch.linalg.vector_norm(floats, dtype=wide).double().square()


def reader_for(device: torch.device) -> Reader:
    """Give the quickest reader for a device: one launch for all pairs where Triton is installed."""
    return _batched() if device.type == "cuda" else read_one_by_one


@cache
def _batched() -> Reader:
    try:
        # Imported here: it comes with the CUDA builds of torch alone.
        from parity.lockstep.batched import read_batched
    except ImportError:
        return read_one_by_one
    return read_batched
