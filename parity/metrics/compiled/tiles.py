"""One tile of elements: widened, measured, and added to what was found before."""

import math
from typing import NamedTuple

import numpy as np

from parity.metrics.compiled import layout as at
from parity.metrics.compiled.axes import add_to_axes
from parity.metrics.compiled.bins import order64, steps16, steps32, steps64, tally
from parity.metrics.compiled.jit import (
    Float32s,
    Float64s,
    Int32s,
    Int64s,
    Uint32s,
    float32_at,
    float64_at,
    float64_of_bits,
    int16_at,
    int32_at,
    int64_at,
    kernel,
    prefetch,
    uint32_at,
)
from parity.metrics.compiled.sums import compared, errors, extreme, spread, squares, subtract_whole
from parity.metrics.compiled.words import (
    narrow,
    narrow_to_odd,
    round_to_bfloat16,
    round_to_float16,
    same_bytes,
    whole,
    widen,
)

_EXTREME, _CLEAN, _SPOILED = range(3)


class Memory(NamedTuple):
    """The job; where results go; and room for one tile: both sides and their difference, in the forms needed."""

    job: Int64s
    counts: Int64s
    sums: Float64s
    columns: Float64s
    left: Float64s
    right: Float64s
    between: Float64s
    left_single: Float32s
    right_single: Float32s
    left_words: Int32s
    right_words: Int32s
    left_whole: Int64s
    right_whole: Int64s
    keys: Int32s
    tables: Uint32s


@kernel
def memory(job: Int64s) -> Memory:
    """Lay out the memory that a job names."""
    room = job[at.ROOM]
    return Memory(
        job,
        int64_at(job[at.COUNTS]),
        float64_at(job[at.SUMS]),
        float64_at(job[at.COLUMNS]),
        float64_at(room),
        float64_at(room + at.PITCH),
        float64_at(room + 2 * at.PITCH),
        float32_at(room + 3 * at.PITCH),
        float32_at(room + 4 * at.PITCH),
        int32_at(room + 3 * at.PITCH),
        int32_at(room + 4 * at.PITCH),
        int64_at(room + 5 * at.PITCH),
        int64_at(room + 6 * at.PITCH),
        int32_at(room + 7 * at.PITCH),
        uint32_at(room + at.TABLES_AT),
    )


@kernel
def fetch_ahead(start: np.int64, here: Memory) -> None:
    """Ask for the tile after next: memory is waited for while this one is worked on."""
    for side in range(2):
        width = here.job[at.CANDIDATE_BYTES + side]
        first = here.job[at.CANDIDATE + side] + (start + at.AHEAD) * width
        for line in range(first, first + at.TILE * width, 64):
            prefetch(line)


@kernel
def add_tile(start: np.int64, count: int, here: Memory) -> int:
    """Add elements [start, start + count) of the job.

    Gives how many errors went to the tables of keys; -1, with nothing added, where the elements are too extreme
    for plain sums of squares.
    """
    job = here.job
    own, other = job[at.CANDIDATE_KIND], job[at.REFERENCE_KIND]
    left = job[at.CANDIDATE] + start * job[at.CANDIDATE_BYTES]
    right = job[at.REFERENCE] + start * job[at.REFERENCE_BYTES]
    widen(own, left, count, here.left)
    if own == other and same_bytes(left, right, count * job[at.CANDIDATE_BYTES]):
        total = squares(count, here.left)
        if math.isfinite(total):
            return _add_equal(count, total, here)
    else:
        here.counts[at.SAME] = 0
    widen(other, right, count, here.right)
    if own >= at.FIRST_WHOLE:
        whole(own, left, count, here.left, here.left_whole)
        whole(other, right, count, here.right, here.right_whole)
    found = _add_sums(count, job[at.START] + start, here)
    if found == _EXTREME:
        return -1
    _add_errors(count, start, here)
    # What is finite throughout is looked at where it lies.
    longest = _steps(count, left if found == _CLEAN else 0, right if found == _CLEAN else 0, here)
    here.counts[at.MOST_STEPS] = np.int64(max(np.uint64(here.counts[at.MOST_STEPS]), np.uint64(longest)))
    tally(count, here.keys, here.tables)
    return count


@kernel
def _add_equal(count: int, total: float, here: Memory) -> int:
    if here.job[at.CANDIDATE_KIND] == at.FLOAT64 and extreme(total, count, here.left):
        return -1
    here.sums[at.CANDIDATE_SQUARES] += total
    here.sums[at.REFERENCE_SQUARES] += total
    here.sums[at.PRODUCT] += total
    here.counts[at.CLOSE] += count
    here.counts[at.ERRORS] += count
    here.counts[at.STEPS] += count
    return 0


@kernel
def _add_sums(count: int, position: int, here: Memory) -> int:
    kinds, sums = (here.job[at.CANDIDATE_KIND], here.job[at.REFERENCE_KIND]), here.sums
    own, other, product, total, signed, absolute = compared(count, here.left, here.right, here.between)
    spoiled = not (math.isfinite(own) and math.isfinite(other))
    if spoiled:
        _clear_nonfinite(count, here)
        own, other, product, total, signed, absolute = compared(count, here.left, here.right, here.between)
    if at.FLOAT64 in kinds and (
        extreme(own, count, here.left) or extreme(other, count, here.right) or extreme(total, count, here.between)
    ):
        return _EXTREME
    if spoiled:
        _count_nonfinite(count, position, here)
    if at.INT64 in kinds and min(kinds) >= at.FIRST_WHOLE:
        subtract_whole(count, here.left_whole, here.right_whole, here.between)
        total, signed, absolute = spread(count, here.between)
    sums[at.CANDIDATE_SQUARES] += own
    sums[at.REFERENCE_SQUARES] += other
    sums[at.PRODUCT] += product
    sums[at.DIFFERENCE_SQUARES] += total
    sums[at.SIGNED] += signed
    sums[at.ABSOLUTE] += absolute
    return _SPOILED if spoiled else _CLEAN


@kernel
def _clear_nonfinite(count: int, here: Memory) -> None:
    """Put 0 on both sides wherever either is not finite, and what was there in the keys.

    Equal zeros add nothing to sums of errors.
    """
    for i in range(count):
        own, other = _value_kind(here.left[i]), _value_kind(here.right[i])
        here.keys[i] = own * 4 + other
        if own or other:
            here.left[i] = here.right[i] = 0.0


@kernel
def _count_nonfinite(count: int, position: int, here: Memory) -> None:
    counts = here.counts
    for i in range(count):
        own, other = divmod(here.keys[i], 4)
        if own or other:
            counts[at.CANDIDATE_VALUES + own] += 1
            counts[at.REFERENCE_VALUES + other] += 1
            counts[at.MISMATCH] += own != other
            counts[at.EQUAL_INFINITIES] += own == other and own > 1
            counts[at.EXCLUDED] += 1
            if counts[at.FIRST_NONFINITE] < 0:
                counts[at.FIRST_NONFINITE] = position + i


@kernel
def _value_kind(value: float) -> int:
    if math.isfinite(value):
        return 0
    if math.isnan(value):
        return 1
    return 2 if value > 0 else 3


@kernel
def _add_errors(count: int, start: np.int64, here: Memory) -> None:
    close, bits = errors(count, here.between, here.right, here.sums, here.keys)
    here.counts[at.CLOSE] += close
    if bits:
        _add_places(count, here.job[at.START] + start, float64_of_bits(bits), here)


@kernel
def _steps(count: int, left: int, right: int, here: Memory) -> np.int64:
    """Finish the keys, and give the longest distance; addresses of 0: take the elements as they are in float64."""
    own, other = here.job[at.CANDIDATE_KIND], here.job[at.REFERENCE_KIND]
    if own == at.FLOAT64:
        order64(count, here.left, here.left_whole)
        order64(count, here.right, here.right_whole)
    if own == at.FLOAT64 or own >= at.FIRST_WHOLE:
        return steps64(count, here.left_whole, here.right_whole, here.keys)
    if left and own == other:
        if own == at.FLOAT32:
            return steps32(count, int32_at(left), int32_at(right), 0, here.keys)
        return steps16(count, int16_at(left), int16_at(right), here.keys)
    narrow(count, here.left, here.left_single)
    if own in (other, at.FLOAT32):
        narrow(count, here.right, here.right_single)
    else:
        narrow_to_odd(count, here.right, here.right_words)
        if own == at.BFLOAT16:
            round_to_bfloat16(count, here.right_words)
    if own == at.FLOAT16:
        round_to_float16(count, here.left_words)
        round_to_float16(count, here.right_words)
    return steps32(count, here.left_words, here.right_words, 0 if own == at.FLOAT32 else 16, here.keys)


@kernel
def _add_places(count: int, position: int, largest: float, here: Memory) -> None:
    """Look for elements that are among the worst, and add the squared errors to the axes."""
    here.sums[at.MOST] = max(here.sums[at.MOST], largest)
    if here.job[at.WORST] and largest > _least_worst(here):
        for i in range(count):
            if abs(here.between[i]) > _least_worst(here):
                _keep(i, position + i, here)
    for i in range(count):
        here.between[i] *= here.between[i]
    add_to_axes(count, here.between, position, here.job, here.columns)


@kernel
def _least_worst(here: Memory) -> float:
    last = at.WORST_AT + (here.job[at.WORST] - 1) * at.WORST_FIELDS
    return max(here.sums[at.FLOOR], here.sums[last + at.ERROR])


@kernel
def _keep(i: int, position: int, here: Memory) -> None:
    """Put an element among the worst, after those of equal error; the last of them falls out."""
    sums, error = here.sums, abs(here.between[i])
    row = at.WORST_AT + (here.job[at.WORST] - 1) * at.WORST_FIELDS
    while row > at.WORST_AT and sums[row - at.WORST_FIELDS + at.ERROR] < error:
        for field in range(row, row + at.WORST_FIELDS):
            sums[field] = sums[field - at.WORST_FIELDS]
        row -= at.WORST_FIELDS
    sums[row + at.POSITION] = position
    sums[row + at.CANDIDATE_VALUE] = here.left[i]
    sums[row + at.REFERENCE_VALUE] = here.right[i]
    sums[row + at.ERROR] = error
