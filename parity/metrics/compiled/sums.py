"""Sums over one tile, and its errors."""

import numpy as np

from parity.metrics.compiled.jit import Float64s, Int32s, Int64s, bits_of_float64, kernel, summing
from parity.metrics.compiled.layout import ATOL, ERROR_SHIFT, LEAST_SQUARES, MOST_SQUARES, RTOL

i32, i64, u64 = np.int32, np.int64, np.uint64


@summing
def squares(count: int, values: Float64s) -> float:
    """Sum of squares."""
    total = 0.0
    for i in range(count):
        total += values[i] * values[i]
    return total


@summing
def compared(count: int, left: Float64s, right: Float64s, between: Float64s) -> tuple[float, ...]:
    """Write candidate minus reference.

    Gives the sums of squares of both sides, of their products, and what `spread` gives.
    """
    own = other = product = total = signed = absolute = 0.0
    for i in range(count):
        difference = left[i] - right[i]
        between[i] = difference
        own += left[i] * left[i]
        other += right[i] * right[i]
        product += left[i] * right[i]
        total += difference * difference
        signed += difference
        absolute += abs(difference)
    return own, other, product, total, signed, absolute


@summing
def spread(count: int, between: Float64s) -> tuple[float, float, float]:
    """Sums of the squares of differences, of them, and of their sizes."""
    total = signed = absolute = 0.0
    for i in range(count):
        total += between[i] * between[i]
        signed += between[i]
        absolute += abs(between[i])
    return total, signed, absolute


@kernel
def extreme(total: float, count: int, values: Float64s) -> bool:
    """Whether a sum of squares may have lost elements to underflow, or have overflowed."""
    if LEAST_SQUARES < total < MOST_SQUARES:
        return False
    largest = 0.0
    for i in range(count):
        largest = max(largest, abs(values[i]))
    return largest > 0.0


@kernel
def subtract_whole(count: int, left: Int64s, right: Int64s, between: Float64s) -> None:
    """Candidate minus reference of whole numbers, rounded once."""
    for i in range(count):
        # Two's complement subtraction of the lesser from the greater wraps to the right unsigned value.
        size = np.float64(u64(u64(max(left[i], right[i])) - u64(min(left[i], right[i]))))
        between[i] = size if left[i] >= right[i] else -size


@kernel
def errors(count: int, between: Float64s, right: Float64s, sums: Float64s, keys: Int32s) -> tuple[np.int32, np.int64]:
    """How many errors are close, and the bits of the largest; each key becomes the leading bits of its error."""
    rtol, atol = sums[RTOL], sums[ATOL]
    close, most = i32(0), i64(0)
    for i in range(count):
        size = abs(between[i])
        close = i32(close + i32(size <= atol + rtol * abs(right[i])))
        bits = bits_of_float64(size)
        most = max(most, bits)
        # One bit pattern down puts an error that lies exactly on an edge into the bin below that edge; 0 becomes -1.
        keys[i] = i32((bits - 1) >> ERROR_SHIFT)
    return close, most
