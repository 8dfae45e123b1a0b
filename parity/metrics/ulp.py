"""Distance between two values counted in representable steps of the candidate's dtype."""

import torch
from torch import Tensor

from parity.metrics.exactness import BIT_VIEWS, INTEGER_DTYPES, Pair, integer_distance, integers


def ulp_distance(pair: Pair, reference: Tensor) -> Tensor:
    """Steps from the candidate to the reference rounded to the candidate's dtype; every value finite.

    Floats are numbered in order, so the distance counts the representable values between; -0.0 and 0.0 share
    a number, and a reference that rounds to infinity lies one step past the largest finite value. Whole
    numbers count by value; a float reference is first rounded to the nearest whole number. `reference` is
    the pair's reference widened to float64. The result is the bits of uint64, in int64.
    """
    dtype = pair.candidate.dtype
    if dtype in INTEGER_DTYPES:
        return integer_distance(integers(pair.candidate), _nearest_integers(pair.reference, reference))
    own = _bits(pair.candidate)
    other = _bits(pair.reference) if pair.reference.dtype == dtype else _nearest_bits(reference, dtype)
    return integer_distance(_ordered(own), _ordered(other))


def longest(distance: Tensor) -> int:
    """The largest of distances that are the bits of uint64."""
    beyond = distance[distance < 0]
    return int(beyond.max()) + 2**64 if beyond.numel() else int(distance.max())


def _bits(piece: Tensor) -> Tensor:
    """Sign and magnitude of a float of any width, moved to where those of an int64 would be."""
    narrow = piece.view(BIT_VIEWS[piece.dtype]).to(torch.int64)
    magnitude_bits = 8 * piece.dtype.itemsize - 1
    return narrow & ((1 << magnitude_bits) - 1) | (narrow & -(2**63))


def _ordered(bits: Tensor) -> Tensor:
    """Sign-magnitude bits as whole numbers in the order of the floats, both zeros at 0."""
    sign = bits >> 63
    return ((bits & (2**63 - 1)) ^ sign) - sign


def _nearest_integers(raw: Tensor, reference: Tensor) -> Tensor:
    if raw.dtype in INTEGER_DTYPES:
        return integers(raw)
    # The largest float64 below 2**63: beyond it a cast to int64 is undefined.
    limit = float(2**63 - 1024)
    return reference.round().clamp(-limit, limit).to(torch.int64)


def _nearest_bits(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Bits of each value rounded once, to nearest with ties to even, to a float dtype."""
    if dtype in (torch.float16, torch.bfloat16):
        values = _rounded_to_odd(values)
    return _bits(values.to(dtype))


def _rounded_to_odd(values: Tensor) -> Tensor:
    """Nearest float32 that, where inexact, has an odd last bit.

    Rounding float64 to float32 and that to a narrower float may round twice. The odd last bit remembers that
    something was cut off, which makes the second rounding the only one.
    """
    nearest = values.to(torch.float32)
    back = nearest.to(torch.float64)
    bits = nearest.view(torch.int32) - (back.abs() > values.abs()).to(torch.int32)
    return (bits | (back != values).to(torch.int32)).view(torch.float32)
