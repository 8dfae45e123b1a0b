"""The engine that runs the compiled pass."""

import threading
from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import torch

from parity.metrics import concentration
from parity.metrics.compiled import layout as at
from parity.metrics.compiled.cached import Pass
from parity.metrics.compiled.drive import comparison_pass
from parity.metrics.compiled.kinds import KINDS
from parity.metrics.concentration import Window
from parity.metrics.exactness import Pair, require_exact
from parity.metrics.found import Found, Moments, Subject
from parity.metrics.nonfinite import NonFiniteTally
from parity.metrics.options import CompareOptions
from parity.metrics.scaled import ScaledSum
from parity.metrics.torch_engine import TorchEngine
from parity.metrics.worst import WorstElements

Floats = npt.NDArray[np.float64]

# Columns of a short axis are kept several times over, for vectors to be filled.
_LEAST_WIDTH = 64


class CompiledEngine:
    """Measures pairs on the CPU. Other threads go on meanwhile, and may measure as well."""

    name = f"numba {numba.__version__}"

    def __init__(self) -> None:
        self._pass = comparison_pass()
        self._own = threading.local()

    def measure(self, subject: Subject, options: CompareOptions, start: int, pair: Pair, floor: float) -> Found:
        """Give what is found in the elements from flat position `start` on; see `TorchEngine.measure`."""
        require_exact(pair, options.name)
        pair = Pair(*(piece.cpu().contiguous() for piece in pair))
        if not hasattr(self._own, "desk"):
            self._own.desk = _Desk(self._pass)
        desk: _Desk = self._own.desk
        found = desk.measure(subject, options, start, pair, floor)
        size = pair.candidate.numel()
        while found.elements < size:
            # The next tile has numbers whose squares no float64 can hold: rare enough to go the longer way.
            done = found.elements
            stop = min(done + at.TILE, size)
            _add(found, _LONGER.measure(subject, options, start + done, pair.cut(done, stop), floor))
            if stop < size:
                _add(found, desk.measure(subject, options, start + stop, pair.cut(stop, size), floor))
        return found


_LONGER = TorchEngine()


def _add(found: Found, more: Found) -> None:
    found.merge(more)
    found.windows += more.windows


class _Desk:
    """The memory that one thread works in."""

    def __init__(self, run: Pass):
        self._run = run
        self._counts = np.zeros(at.COUNT_FIELDS, np.int64)
        self._sums = np.zeros(at.WORST_AT)
        self._room = np.zeros(at.ROOM_BYTES, np.uint8)

    def measure(self, subject: Subject, options: CompareOptions, start: int, pair: Pair, floor: float) -> Found:
        """Measure as many elements as plain sums of squares can take."""
        plan = _plan(subject.shape, start, pair.candidate.numel(), concentration.TRACKED_AXIS_LIMIT)
        # From the system all zero: where there is no error they are never touched, nor made.
        columns = np.zeros(plan.columns)
        self._clear(options, options.tolerances(subject.candidate_dtype), floor)
        job = np.array(self._job(options, start, pair, columns) + plan.rows, np.int64)
        elements = self._run(job.ctypes.data)
        found = self._found(subject, options, elements)
        if found.moments.max_abs > 0:
            found.windows = tuple(_window(axis, columns) for axis in plan.axes)
        return found

    def _clear(self, options: CompareOptions, tolerances: tuple[float, float], floor: float) -> None:
        if self._sums.size != at.WORST_AT + options.worst_count * at.WORST_FIELDS:
            self._sums = np.zeros(at.WORST_AT + options.worst_count * at.WORST_FIELDS)
        self._counts.fill(0)
        self._counts[at.SAME], self._counts[at.FIRST_NONFINITE] = 1, -1
        self._sums.fill(0)
        self._sums[at.RTOL], self._sums[at.ATOL] = tolerances
        self._sums[at.FLOOR] = floor

    def _job(self, options: CompareOptions, start: int, pair: Pair, columns: Floats) -> tuple[int, ...]:
        own, other = pair
        addresses = (own.data_ptr(), other.data_ptr(), *(array.ctypes.data for array in (self._counts, self._sums)))
        kinds = (KINDS[own.dtype], KINDS[other.dtype], own.element_size(), other.element_size())
        return (
            *addresses,
            columns.ctypes.data,
            self._room.ctypes.data,
            *kinds,
            start,
            own.numel(),
            options.worst_count,
        )

    def _found(self, subject: Subject, options: CompareOptions, elements: int) -> Found:
        counts, sums = self._counts, self._sums
        found = Found(
            WorstElements(options.worst_count),
            elements,
            int(counts[at.CLOSE]),
            bool(counts[at.SAME]) and subject.candidate_dtype == subject.reference_dtype,
            _moments(sums, int(counts[at.MOST_STEPS])),
            counts[at.ERRORS : at.STEPS].copy(),
            counts[at.STEPS : at.COUNT_FIELDS].copy(),
        )
        worst = sums[at.WORST_AT :].reshape(-1, at.WORST_FIELDS)
        found.worst.add(worst[worst[:, at.ERROR] > 0])
        if counts[at.EXCLUDED]:
            found.nonfinite = _nonfinite(counts)
            # The zeros put in their place were counted as exact agreement; only equal infinities are close.
            found.add_zero_errors(-found.nonfinite.excluded)
            found.close += found.nonfinite.equal_infinities
        return found


def _moments(sums: Floats, most_steps: int) -> Moments:
    own, other, product, between, signed, absolute, most = sums[at.CANDIDATE_SQUARES : at.WORST_AT].tolist()
    squares = (ScaledSum(own), ScaledSum(other), ScaledSum(product), ScaledSum(between))
    return Moments(*squares, signed, absolute, most, most_steps % 2**64)


def _nonfinite(counts: npt.NDArray[np.int64]) -> NonFiniteTally:
    return NonFiniteTally(
        int(counts[at.EXCLUDED]),
        int(counts[at.MISMATCH]),
        int(counts[at.EQUAL_INFINITIES]),
        int(counts[at.FIRST_NONFINITE]),
        counts[at.CANDIDATE_VALUES : at.REFERENCE_VALUES].tolist(),
        counts[at.REFERENCE_VALUES : at.ERRORS].tolist(),
    )


def _window(axis: "_Axis", columns: Floats) -> Window:
    sums = torch.from_numpy(columns[axis.column : axis.column + axis.width])
    return Window(axis.axis, axis.first, sums.view(-1, axis.size).sum(dim=0) if axis.width > axis.size else sums)


class _Axis(NamedTuple):
    """Columns of one axis: of `width` indices from `first` on, or of all `size` indices several times over."""

    axis: int
    size: int
    first: int
    column: int
    width: int


class _Plan(NamedTuple):
    """The axes of a subject, last first, as rows of a job; those that have columns; and how many columns."""

    rows: tuple[int, ...]
    axes: tuple[_Axis, ...]
    columns: int


@lru_cache(maxsize=4096)
def _plan(shape: tuple[int, ...], start: int, elements: int, limit: int) -> _Plan:
    rows: list[int] = []
    axes: list[_Axis] = []
    columns, first, last = 0, start, start + elements - 1
    for axis, size in reversed([entry for entry in enumerate(shape) if entry[1] > 1]):
        touched = last - first + 1
        if size > limit:
            rows += (size, 0, 0, 0)
        else:
            # Where not all indices are touched, only those that are have a column.
            whole = touched >= size
            found = _Axis(axis, size, 0 if whole else first % size, columns, _wide(size) if whole else touched)
            rows += (size, found.width if whole else size, found.first, columns)
            axes.append(found)
            columns += found.width
        first, last = first // size, last // size
    return _Plan((len(rows) // at.AXIS_FIELDS, *rows), tuple(axes), columns)


def _wide(size: int) -> int:
    return size * -(-_LEAST_WIDTH // size)
