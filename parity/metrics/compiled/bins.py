"""Both histograms at once: a key for each element names the bin of its error and the bin of its distance in steps."""

import numpy as np

from parity.metrics.compiled.jit import (
    Float64s,
    Int16s,
    Int32s,
    Int64s,
    Uint32s,
    bits_of_float32,
    bits_of_float64,
    kernel,
)
from parity.metrics.compiled.layout import (
    ERROR_COUNT,
    ERROR_SHIFT,
    ERRORS,
    FIRST_ERROR_BIN,
    KEYS,
    LAST_STEP,
    STEP_BITS,
    STEP_COUNT,
    STEPS,
    TABLES,
)

i32, u32, i64, u64 = np.int32, np.uint32, np.int64, np.uint64


@kernel
def _ordered32(bits: np.int32) -> np.int32:
    """Sign-magnitude bits as a whole number in the order of the floats, both zeros at 0."""
    sign = i32(bits >> i32(31))
    return i32(i32(i32(bits & i32(0x7FFFFFFF)) ^ sign) - sign)


@kernel
def _key(leading: np.int32, step: np.int32) -> np.int32:
    """Join the bin of an error, given by its leading bits as `errors` leaves them, with that of a distance."""
    index = min(max(i32(leading - i32(FIRST_ERROR_BIN)), i32(0)), i32(ERROR_COUNT - 2))
    index = i32(0) if leading < i32(0) else i32(index + i32(1))
    return i32(i32(index << i32(STEP_BITS)) | step)


@kernel
def _distance32(left: np.int32, right: np.int32) -> np.uint32:
    own, other = _ordered32(left), _ordered32(right)
    return u32(u32(max(own, other)) - u32(min(own, other)))


@kernel
def _step32(distance: np.uint32, least: np.int32) -> np.int32:
    # The bin is one more than the bits of the distance less one; clearing the bit below the highest keeps the
    # conversion from rounding up into the next power of two.
    # (No comparison with 0: together with the subtraction it would become one that loops cannot do in vectors.)
    any_step = min(distance, u32(1))
    before = u32(distance - any_step)
    before = u32(before & u32(~u32(before >> u32(1))))
    step = max(i32(i32(bits_of_float32(np.float32(before)) >> i32(23)) - least), i32(1))
    return i32(step * i32(any_step))


@kernel
def steps32(count: int, left: Int32s, right: Int32s, unused: int, keys: Int32s) -> np.int64:
    """Finish the keys by distances between float32, or narrower floats above `unused` zero bits; give the longest."""
    least, most = i32(125 + unused), u32(0)
    for i in range(count):
        distance = _distance32(left[i], right[i])
        most = max(most, distance)
        keys[i] = _key(keys[i], _step32(distance, least))
    return i64(most) >> unused


@kernel
def steps16(count: int, left: Int16s, right: Int16s, keys: Int32s) -> np.int64:
    """Give the same for the words of floats of 16 bits."""
    most = u32(0)
    for i in range(count):
        distance = _distance32(i32(i32(left[i]) << i32(16)), i32(i32(right[i]) << i32(16)))
        most = max(most, distance)
        keys[i] = _key(keys[i], _step32(distance, i32(125 + 16)))
    return i64(most) >> 16


@kernel
def order64(count: int, values: Float64s, out: Int64s) -> None:
    """Write float64 as whole numbers in their order, both zeros at 0."""
    for i in range(count):
        bits = bits_of_float64(values[i])
        sign = bits >> 63
        out[i] = ((bits & i64(2**63 - 1)) ^ sign) - sign


@kernel
def steps64(count: int, left: Int64s, right: Int64s, keys: Int32s) -> np.int64:
    """Finish the keys by distances between whole numbers; give the longest, in the bits of a uint64."""
    most = u64(0)
    for i in range(count):
        distance = u64(u64(max(left[i], right[i])) - u64(min(left[i], right[i])))
        most = max(most, distance)
        before = u64(distance - u64(1))
        before = u64(before & u64(~u64(before >> u64(1))))
        step = i32(i64(bits_of_float64(np.float64(before)) >> i64(52)) - i64(1021))
        step = min(max(step, i32(1)), i32(LAST_STEP))
        keys[i] = _key(keys[i], step if distance else i32(0))
    return i64(most)


@kernel
def tally(count: int, keys: Int32s, tables: Uint32s) -> None:
    """Count the keys, in four tables by turns: elements of one key do not wait for each other."""
    whole = count // TABLES * TABLES
    for i in range(0, whole, TABLES):
        tables[keys[i]] += u32(1)
        tables[KEYS + keys[i + 1]] += u32(1)
        tables[2 * KEYS + keys[i + 2]] += u32(1)
        tables[3 * KEYS + keys[i + 3]] += u32(1)
    for i in range(whole, count):
        tables[keys[i]] += u32(1)


@kernel
def empty_tables(elements: np.int64, largest: float, tables: Uint32s, counts: Int64s) -> None:
    """Move what was counted of `elements` errors to the two histograms, and leave the tables all zero."""
    last = min(max(((bits_of_float64(largest) - 1) >> ERROR_SHIFT) - FIRST_ERROR_BIN, 0) + 1, ERROR_COUNT - 1)
    error = 0
    while elements > 0:
        found = i64(0)
        for step in range(STEP_COUNT):
            total = i64(0)
            for table in range(TABLES):
                at = table * KEYS + (error << STEP_BITS) + step
                total += i64(tables[at])
                tables[at] = u32(0)
            counts[STEPS + step] += total
            found += total
        counts[ERRORS + error] += found
        elements -= found
        # Errors of 0 first, then from the largest down: the search ends where all have been found.
        error = last if error == 0 else error - 1
