"""Elements in their own formats to float64, exactly, and float64 back to the words of a narrower float."""

import numpy as np

from parity.metrics.compiled.jit import (
    Float32s,
    Float64s,
    Int32s,
    Int64s,
    bits_of_float32,
    float32_at,
    float32_of_bits,
    float64_at,
    int8_at,
    int16_at,
    int32_at,
    int64_at,
    kernel,
    uint8_at,
)
from parity.metrics.compiled.layout import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64

i32 = np.int32
# The largest float64 below 2**63: beyond it a cast to int64 is undefined.
_MOST_WHOLE = float(2**63 - 1024)


@kernel
def bytes_of(kind: int) -> int:
    """How many bytes an element has."""
    if kind in (FLOAT32, INT32):
        return 4
    if kind in (FLOAT64, INT64):
        return 8
    return 2 if kind in (BFLOAT16, FLOAT16, INT16) else 1


@kernel
def widen(kind: int, address: int, count: int, out: Float64s) -> None:
    """Write `count` elements from an address on as float64; an int64 beyond 2**53 is rounded."""
    if kind == FLOAT32:
        singles = float32_at(address)
        for i in range(count):
            out[i] = singles[i]
    elif kind == BFLOAT16:
        words = int16_at(address)
        for i in range(count):
            out[i] = float32_of_bits(i32(words[i]) << i32(16))
    elif kind == FLOAT64:
        doubles = float64_at(address)
        for i in range(count):
            out[i] = doubles[i]
    elif kind == FLOAT16:
        halves = int16_at(address)
        for i in range(count):
            out[i] = _float32_of_float16(i32(halves[i]))
    else:
        _widen_whole(kind, address, count, out)


@kernel
def _widen_whole(kind: int, address: int, count: int, out: Float64s) -> None:
    if kind == INT64:
        longs = int64_at(address)
        for i in range(count):
            out[i] = longs[i]
    elif kind == INT32:
        ints = int32_at(address)
        for i in range(count):
            out[i] = ints[i]
    elif kind == INT16:
        shorts = int16_at(address)
        for i in range(count):
            out[i] = shorts[i]
    elif kind == INT8:
        signed = int8_at(address)
        for i in range(count):
            out[i] = signed[i]
    else:
        unsigned = uint8_at(address)
        for i in range(count):
            out[i] = unsigned[i]


@kernel
def whole(kind: int, address: int, count: int, wide: Float64s, out: Int64s) -> None:
    """Write `count` elements, given by their address and as float64, as the nearest whole numbers."""
    if kind == INT64:
        longs = int64_at(address)
        for i in range(count):
            out[i] = longs[i]
    else:
        for i in range(count):
            out[i] = np.int64(min(max(np.rint(wide[i]), -_MOST_WHOLE), _MOST_WHOLE))


@kernel
def _float32_of_float16(word: np.int32) -> np.float32:
    bits = i32(i32(word & i32(0x7FFF)) << i32(13))
    # The exponent is rebased by a product, which normalises denormals on the way.
    size = float32_of_bits(bits) * np.float32(2.0**112)
    # Infinity and NaN keep their significand under the exponent of float32.
    special = float32_of_bits(i32(bits | i32(0x7F800000)))
    size = special if i32(word & i32(0x7C00)) == i32(0x7C00) else size
    return -size if word < i32(0) else size


@kernel
def same_bytes(left: int, right: int, count: int) -> bool:
    """Whether `count` bytes from two addresses on are the same."""
    own, other = uint8_at(left), uint8_at(right)
    # All are compared without a branch, once the first of them agree.
    for i in range(min(16, count)):
        if own[i] != other[i]:
            return False
    differing = np.uint8(0)
    for i in range(count):
        differing = np.uint8(differing | np.uint8(own[i] ^ other[i]))
    return differing == 0


@kernel
def narrow(count: int, values: Float64s, out: Float32s) -> None:
    """Write each value rounded to the nearest float32."""
    for i in range(count):
        out[i] = np.float32(values[i])


@kernel
def narrow_to_odd(count: int, values: Float64s, out: Int32s) -> None:
    """Write the bits of the nearest float32 that, where inexact, has an odd last bit.

    Rounding float64 to float32 and that to a narrower float may round twice. The odd last bit remembers that
    something was cut off, which makes the second rounding the only one.
    """
    for i in range(count):
        nearest = np.float32(values[i])
        back = np.float64(nearest)
        bits = i32(bits_of_float32(nearest) - i32(abs(back) > abs(values[i])))
        out[i] = i32(bits | i32(back != values[i]))


@kernel
def round_to_bfloat16(count: int, words: Int32s) -> None:
    """Round float32 (none a NaN), given by their bits, to the nearest bfloat16, ties to even, in place."""
    for i in range(count):
        # Adding just under half of what is cut off, or just half where the kept part is odd, rounds ties to even.
        half = i32(i32(0x7FFF) + i32(i32(words[i] >> i32(16)) & i32(1)))
        words[i] = i32(i32(words[i] + half) & i32(-0x10000))


@kernel
def round_to_float16(count: int, words: Int32s) -> None:
    """Turn float32 (none a NaN), given by their bits, into the nearest float16, its word in the upper half."""
    for i in range(count):
        size = i32(words[i] & i32(0x7FFFFFFF))
        # In the binade of 1/2 a float32 has the steps of a denormal float16: the addition rounds, ties to even.
        denormal = i32(bits_of_float32(float32_of_bits(size) + np.float32(0.5)) - i32(0x3F000000))
        half = i32(i32(0x0FFF) + i32(i32(size >> i32(13)) & i32(1)))
        normal = i32(i32(size + half - i32(112 << 23)) >> i32(13))
        word = denormal if size < i32(0x38800000) else normal
        word = min(word, i32(0x7C00))
        words[i] = i32(i32(word << i32(16)) | i32(words[i] & i32(-0x80000000)))
