"""Distance between two values counted in representable steps of the candidate's dtype."""

import numpy as np
import numpy.typing as npt
import torch

from parity.metrics.exactness import (
    BIT_VIEWS,
    INTEGER_DTYPES,
    Floats,
    Integers,
    Pair,
    integer_distance,
    integers,
)


def ulp_distance(pair: Pair, reference: Floats) -> npt.NDArray[np.uint64]:
    """Steps from the candidate to the reference rounded to the candidate's dtype; every value finite.

    Floats are numbered in order, so the distance counts the representable values between; -0.0 and 0.0 share
    a number, and a reference that rounds to infinity lies one step past the largest finite value. Whole
    numbers count by value; a float reference is first rounded to the nearest whole number. `reference` is
    the pair's reference widened to float64.
    """
    dtype = pair.candidate.dtype
    if dtype in INTEGER_DTYPES:
        return integer_distance(integers(pair.candidate), _nearest_integers(pair.reference, reference))
    own = _bits(pair.candidate)
    other = _bits(pair.reference) if pair.reference.dtype == dtype else _nearest_bits(reference, dtype)
    return integer_distance(_ordered(own), _ordered(other))


def _bits(piece: torch.Tensor) -> Integers:
    return _spread(piece.view(BIT_VIEWS[piece.dtype]).numpy())


def _spread(bits: npt.NDArray[np.signedinteger]) -> Integers:
    """Sign and magnitude of a float of any width, moved to where those of an int64 would be."""
    narrow = bits.astype(np.int64)
    magnitude_bits = 8 * bits.dtype.itemsize - 1
    return narrow & ((1 << magnitude_bits) - 1) | (narrow & np.int64(-(2**63)))


def _ordered(bits: Integers) -> Integers:
    """Sign-magnitude bits as whole numbers in the order of the floats, both zeros at 0."""
    sign = bits >> 63
    return ((bits & (2**63 - 1)) ^ sign) - sign


def _nearest_integers(raw: torch.Tensor, reference: Floats) -> Integers:
    if raw.dtype in INTEGER_DTYPES:
        return integers(raw)
    # The largest float64 below 2**63: beyond it a cast to int64 is undefined.
    limit = float(2**63 - 1024)
    return np.clip(np.rint(reference), -limit, limit).astype(np.int64)


def _nearest_bits(values: Floats, dtype: torch.dtype) -> Integers:
    """Bits of each value rounded once, to nearest with ties to even, to a float dtype."""
    if dtype == torch.float64:
        return _spread(values.view(np.int64))
    if dtype == torch.float32:
        return _spread(values.astype(np.float32).view(np.int32))
    if dtype == torch.float16:
        return _spread(values.astype(np.float16).view(np.int16))
    return _spread(_nearest_bfloat16(values).view(np.int16))


def _nearest_bfloat16(values: Floats) -> npt.NDArray[np.uint16]:
    bits = _rounded_to_odd(values).view(np.uint32)
    # Adding just under half of what is cut off, or just half where the kept part is odd, rounds ties to even.
    bits = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    return (bits >> np.uint32(16)).astype(np.uint16)


def _rounded_to_odd(values: Floats) -> npt.NDArray[np.float32]:
    """Nearest float32 that, where inexact, has an odd last bit.

    Rounding float64 to float32 and that to bfloat16 may round twice. The odd last bit remembers that
    something was cut off, which makes the second rounding the only one.
    """
    nearest = values.astype(np.float32)
    back = nearest.astype(np.float64)
    bits = nearest.view(np.uint32)
    bits -= (np.abs(back) > np.abs(values)).astype(np.uint32)
    bits |= (back != values).astype(np.uint32)
    return nearest
