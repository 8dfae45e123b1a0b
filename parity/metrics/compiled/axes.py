"""Squared errors summed onto each axis, while they are still in the cache."""

from parity.metrics.compiled.jit import Float64s, Int64s, kernel, summing
from parity.metrics.compiled.layout import AXES, AXIS_FIELDS, FIRST_COLUMN, FIRST_INDEX, JOB_FIELDS, SIZE, WIDTH

# Rows shorter than this are not worth a vector.
_SHORT = 12


@kernel
def add_to_axes(count: int, values: Float64s, position: int, job: Int64s, columns: Float64s) -> None:
    """Add `count` squared errors from flat position `position` on to the columns of every axis; spoils `values`.

    The rows of the last axis, summed, are the elements of the tensor that lacks it, and so on to the first.
    """
    for axis in range(job[AXES]):
        at = JOB_FIELDS + axis * AXIS_FIELDS
        size, width = job[at + SIZE], job[at + WIDTH]
        if width:
            index = position % width - job[at + FIRST_INDEX]
            if index < 0:
                index += width
            _add_columns(count, values, job[at + FIRST_COLUMN], index, width, columns)
        if axis + 1 < job[AXES]:
            count = _sum_rows(count, values, position % size, size)
            position //= size


@kernel
def _add_columns(count: int, values: Float64s, first: int, index: int, width: int, columns: Float64s) -> None:
    done = 0
    while done < count:
        run = min(width - index, count - done)
        for i in range(run):
            columns[first + index + i] += values[done + i]
        done += run
        index = 0


@kernel
def _sum_rows(count: int, values: Float64s, column: int, size: int) -> int:
    """Put the sum of each row, or part of one, in front; give their number."""
    done = rows = 0
    while done < count:
        run = min(size - column, count - done)
        if run < _SHORT:
            total = 0.0
            for i in range(done, done + run):
                total += values[i]
        else:
            total = _sum(values, done, done + run)
        values[rows] = total
        rows += 1
        done += run
        column = 0
    return rows


@summing
def _sum(values: Float64s, start: int, stop: int) -> float:
    total = 0.0
    for i in range(start, stop):
        total += values[i]
    return total
