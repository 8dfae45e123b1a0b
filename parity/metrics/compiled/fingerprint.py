"""The pass over one tensor alone: sums of powers, extremes, kinds of values, sizes of values, projections."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from parity.metrics.compiled import layout as at
from parity.metrics.compiled.cached import cached
from parity.metrics.compiled.jit import (
    Float64s,
    Int32s,
    Uint32s,
    bits_of_float64,
    float64_at,
    float64_of_bits,
    int32_at,
    int64_at,
    kernel,
    summing,
    uint32_at,
)
from parity.metrics.compiled.words import bytes_of, widen
from parity.metrics.fingerprint import PROJECTION_COUNT, SIGN_TILE

i32, u32, i64, u64 = np.int32, np.uint32, np.int64, np.uint64

# The job, in int64.
COUNTS, SUMS, SIGNS, ROOM, JOB_FIELDS = range(5)
# COUNTS, in uint32: NaN, +inf, -inf, then the histogram of sizes. SUMS, in float64. The pass moves both addresses on,
# to where the next tensor's figures go.
VALUES, SIZES, COUNT_FIELDS = 0, 3, 3 + at.ERROR_COUNT
# (The sum of absolute values follows those of the four powers.)
POWERS, ABSOLUTE, LEAST, MOST, PROJECTIONS = 0, 4, 5, 6, 7
SUM_FIELDS = PROJECTIONS + PROJECTION_COUNT
# ROOM, in bytes: values and keys of a tile, and tables of keys, which the pass finds and leaves all zero.
_KEYS_AT, _TABLES_AT = 8 * SIGN_TILE + 64, 16 * SIGN_TILE + 64
_TABLE = 256
ROOM_BYTES = _TABLES_AT + 4 * at.TABLES * _TABLE


class _Memory(NamedTuple):
    counts: Uint32s
    sums: Float64s
    signs: Float64s
    values: Float64s
    keys: Int32s
    tables: Uint32s


@summing
def _powers(count: int, values: Float64s) -> tuple[float, ...]:
    first = second = third = fourth = absolute = 0.0
    for i in range(count):
        square = values[i] * values[i]
        first += values[i]
        second += square
        third += square * values[i]
        fourth += square * square
        absolute += abs(values[i])
    return first, second, third, fourth, absolute


@summing
def _project(count: int, values: Float64s, signs: Float64s) -> tuple[float, float, float, float]:
    a = b = c = d = 0.0
    for i in range(count):
        a += values[i] * signs[i]
        b += values[i] * signs[SIGN_TILE + i]
        c += values[i] * signs[2 * SIGN_TILE + i]
        d += values[i] * signs[3 * SIGN_TILE + i]
    return a, b, c, d


@kernel
def _extremes(count: int, values: Float64s) -> tuple[float, float]:
    # As whole numbers in the order of the floats: those are compared in vectors.
    least, most = i64(2**63 - 1), i64(-(2**63))
    for i in range(count):
        bits = bits_of_float64(values[i])
        order = bits ^ ((bits >> 63) & i64(2**63 - 1))
        least, most = min(least, order), max(most, order)
    return _float_of_order(least), _float_of_order(most)


@kernel
def _float_of_order(order: np.int64) -> float:
    return float64_of_bits(order ^ ((order >> 63) & i64(2**63 - 1)))


@kernel
def _clear_nonfinite(count: int, here: _Memory) -> int:
    """Count what is not finite and put 0 there; a key of 1 marks the place. Gives how many places."""
    cleared = 0
    for i in range(count):
        value = here.values[i]
        here.keys[i] = i32(0)
        if not math.isfinite(value):
            here.counts[VALUES + (0 if math.isnan(value) else 1 if value > 0 else 2)] += 1
            here.values[i], here.keys[i] = 0.0, i32(1)
            cleared += 1
    return cleared


@kernel
def _close_gaps(count: int, here: _Memory) -> int:
    """Move the values to the front that are not marked, and give their number."""
    kept = 0
    for i in range(count):
        if not here.keys[i]:
            here.values[kept] = here.values[i]
            kept += 1
    return kept


@kernel
def _sizes(count: int, values: Float64s, keys: Int32s, tables: Uint32s) -> None:
    for i in range(count):
        size = abs(values[i])
        leading = i32((bits_of_float64(size) - 1) >> at.ERROR_SHIFT)
        index = min(max(i32(leading - i32(at.FIRST_ERROR_BIN)), i32(0)), i32(at.ERROR_COUNT - 2))
        keys[i] = i32(0) if leading < i32(0) else i32(index + i32(1))
    whole = count // at.TABLES * at.TABLES
    for i in range(0, whole, at.TABLES):
        tables[keys[i]] += u32(1)
        tables[_TABLE + keys[i + 1]] += u32(1)
        tables[2 * _TABLE + keys[i + 2]] += u32(1)
        tables[3 * _TABLE + keys[i + 3]] += u32(1)
    for i in range(whole, count):
        tables[keys[i]] += u32(1)


@kernel
def _tile_bits(tile: np.uint64) -> np.uint64:
    """Random bits for a tile, by its number: one step of splitmix64."""
    mixed = u64(tile + u64(1)) * u64(0x9E3779B97F4A7C15)
    mixed = u64(mixed ^ u64(mixed >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    mixed = u64(mixed ^ u64(mixed >> u64(27))) * u64(0x94D049BB133111EB)
    return u64(mixed ^ u64(mixed >> u64(31)))


@kernel
def _add_tile(count: int, tile: int, here: _Memory) -> int:
    sums = here.sums
    powers = _powers(count, here.values)
    # A sum of squares is not finite as soon as one value is not.
    cleared = 0 if math.isfinite(powers[1]) else _clear_nonfinite(count, here)
    if cleared:
        powers = _powers(count, here.values)
    for k in range(5):
        sums[POWERS + k] += powers[k]
    projected, bits = _project(count, here.values, here.signs), _tile_bits(u64(tile))
    for k in range(PROJECTION_COUNT):
        sums[PROJECTIONS + k] += projected[k] if (bits >> u64(k)) & u64(1) else -projected[k]
    kept = _close_gaps(count, here) if cleared else count
    if kept:
        least, most = _extremes(kept, here.values)
        sums[LEAST], sums[MOST] = min(sums[LEAST], least), max(sums[MOST], most)
        _sizes(kept, here.values, here.keys, here.tables)
    return kept


@kernel
def _empty_tables(elements: np.int64, largest: float, here: _Memory) -> None:
    """Move what was counted of `elements` values to the histogram, and leave the tables all zero."""
    last = min(max(((bits_of_float64(largest) - 1) >> at.ERROR_SHIFT) - at.FIRST_ERROR_BIN, 0) + 1, at.ERROR_COUNT - 1)
    index = 0
    while elements > 0:
        found = u32(0)
        for table in range(at.TABLES):
            found += here.tables[table * _TABLE + index]
            here.tables[table * _TABLE + index] = u32(0)
        here.counts[SIZES + index] = found
        elements = i64(elements - i64(found))
        # Zeros first, then from the largest down: the search ends where all have been found.
        index = last if index == 0 else index - 1


def fingerprint_pass() -> Callable[[int, int, int, int], int]:
    """Give the pass: it takes address, kind and number of the elements, and the address of a job."""
    return cached(_outermost, "int64(int64, int64, int64, int64)", nogil=False)


def _outermost(sources: str) -> Callable[[int, int, int, int], int]:
    def fingerprint(address: int, kind: int, elements: int, job_address: int) -> int:
        job = int64_at(job_address)
        room, width = job[ROOM], bytes_of(kind) if sources else 0
        here = _Memory(
            uint32_at(job[COUNTS]), float64_at(job[SUMS]), float64_at(job[SIGNS]), float64_at(room),
            int32_at(room + _KEYS_AT), uint32_at(room + _TABLES_AT),
        )  # fmt: skip
        here.sums[LEAST], here.sums[MOST] = np.inf, -np.inf
        kept = np.int64(0)
        for start in range(0, elements, SIGN_TILE):
            count = min(SIGN_TILE, elements - start)
            widen(kind, address + start * width, count, here.values)
            kept += _add_tile(count, start // SIGN_TILE, here)
        _empty_tables(kept, max(-here.sums[LEAST], here.sums[MOST]), here)
        job[COUNTS] += 4 * COUNT_FIELDS
        job[SUMS] += 8 * SUM_FIELDS
        return elements

    return fingerprint
