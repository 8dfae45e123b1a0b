"""A coarse map of where a tensor's error lies: squared error summed into few cells, and by head."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from parity.metrics.exactness import Pair, difference, require_exact, widened
from parity.metrics.options import CompareOptions
from parity.metrics.sources import TensorSource, as_source, read_checked

# Cells along each side at most.
SIDE = 32
# A cell is a letter: the root of its squared error is the largest one's times 2 ** (-k / STEPS), k its place here; the
# last letter stands for that or less, NOTHING for no error. A letter is at most 9 % off.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NOTHING = "."
STEPS = 4
_DEFAULT_OPTIONS = CompareOptions()


@dataclass(frozen=True, slots=True)
class HeadAxis:
    """An axis of a tensor on which so many heads lie one behind the other, all of one length."""

    axis: int
    count: int

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of this shape has such heads."""
        return (
            0 <= self.axis < len(shape)
            and self.count > 1
            and shape[self.axis] > 0
            and not shape[self.axis] % self.count
        )


@dataclass(frozen=True, slots=True)
class HeadShares:
    """The share of the squared error that each head of a `HeadAxis` holds."""

    axis: int
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ErrorMap:
    """Where a tensor's squared error lies, over elements finite on both sides.

    Rows are the indices of all axes but the last, merged; columns those of the last axis; `grid` says how many cells
    they fall into. `cells` has one letter for each cell, row by row; `peak` is the root of the squared error of the
    largest, in the units of the tensor. `axes`: what the tensor's axes are called, where that is known.
    """

    peak: float
    cells: str
    heads: HeadShares | None
    axes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells over rows x columns: `row_cells` of `row_size` rows each (the last may have fewer), columns likewise."""

    rows: int
    columns: int
    row_size: int
    column_size: int

    @property
    def row_cells(self) -> int:
        """How many cells there are from the first row to the last."""
        return -(-self.rows // self.row_size)

    @property
    def column_cells(self) -> int:
        """How many cells there are from the first column to the last."""
        return -(-self.columns // self.column_size)


def grid(shape: Sequence[int]) -> Grid | None:
    """Give the cells that a tensor is mapped into, None where it has no more than one element."""
    if math.prod(shape) < 2:
        return None
    rows, columns = math.prod(shape[:-1]), shape[-1]
    return Grid(rows, columns, -(-rows // SIDE), -(-columns // SIDE))


def error_map(
    candidate: TensorSource | Tensor,
    reference: TensorSource | Tensor,
    largest: float,
    heads: HeadAxis | None = None,
    options: CompareOptions = _DEFAULT_OPTIONS,
) -> ErrorMap | None:
    """Map the error between two tensors of one shape, whose largest error (`max_abs` of their comparison) is known.

    None where there is no error, or none that a float64 can hold. Reads each element once, and holds no more of either
    side than `options.chunk_elements`. Heads that the shape does not have are left out. Errors as in `compare`.
    """
    left, right = as_source(candidate), as_source(reference)
    cells = grid(left.shape)
    if cells is None or not 0 < largest < math.inf:
        return None
    sums = _Sums(cells, left.shape, heads if heads is not None and heads.fits(left.shape) else None)
    for start, error in _Sides(left, right, options).rectangles(cells):
        # Divided by the largest first: no square of it overflows, and none that matters vanishes.
        sums.add(start, (error / largest).square_())
    return sums.finish(largest)


@dataclass(frozen=True)
class _Sides:
    left: TensorSource
    right: TensorSource
    options: CompareOptions

    def error(self, start: int, stop: int) -> Tensor:
        """Candidate minus reference in float64; 0 where either is not finite."""
        name = self.options.name
        own = read_checked(self.left, start, stop, f"{name}: candidate")
        other = read_checked(self.right, start, stop, f"{name}: reference").to(own.device)
        pair = Pair(own, other)
        require_exact(pair, name)
        found = difference(pair, widened(own), widened(other))
        return torch.where(torch.isfinite(found), found, 0.0)

    def rectangles(self, cells: Grid) -> Iterator[tuple[tuple[int, int], Tensor]]:
        """Errors of rectangles that hold whole cells, or lie within one, along each side: ((row, column), errors)."""
        most = self.options.chunk_elements
        for top, bottom in _spans(cells.rows, cells.row_size, max(1, most // cells.columns)):
            for left, right in _spans(
                cells.columns, cells.column_size, most if most < cells.columns else cells.columns
            ):
                start = top * cells.columns + left
                stop = (bottom - 1) * cells.columns + right
                yield (top, left), self.error(start, stop).view(bottom - top, right - left)


def _spans(size: int, cell: int, most: int) -> Iterator[tuple[int, int]]:
    """Cut `size` indices into runs of at most `most` that hold whole cells or lie within one."""
    step, start = size if most >= size else max(most // cell * cell, min(most, cell)), 0
    while start < size:
        end = size if most >= cell else (start // cell + 1) * cell
        yield start, (start := min(start + step, end, size))


class _Sums:
    """Squared errors by cell and by head."""

    def __init__(self, cells: Grid, shape: Sequence[int], heads: HeadAxis | None):
        self._grid, self._heads = cells, heads
        self._cells = torch.zeros(cells.row_cells, cells.column_cells, dtype=torch.float64)
        self._by_head = torch.zeros(heads.count if heads else 0, dtype=torch.float64)
        # How many elements behind one another are of one head.
        self._run = math.prod(shape[heads.axis :]) // heads.count if heads else 0

    def add(self, start: tuple[int, int], squares: Tensor) -> None:
        """Add a rectangle of squared errors that begins at (row, column)."""
        row, column = start[0] // self._grid.row_size, start[1] // self._grid.column_size
        found = _folded(_folded(squares, self._grid.row_size).T, self._grid.column_size).T.cpu()
        self._cells[row : row + found.shape[0], column : column + found.shape[1]] += found
        if self._heads is not None:
            position = start[0] * self._grid.columns + start[1]
            self._add_heads(position, squares)

    def _add_heads(self, position: int, squares: Tensor) -> None:
        assert self._heads is not None
        count, columns = self._heads.count, self._grid.columns
        if self._run < columns:
            sums, at, run = squares.sum(dim=0).cpu(), position % columns, self._run
        else:
            sums, at, run = squares.sum(dim=1).cpu(), position // columns, self._run // columns
        places = (torch.arange(at, at + sums.numel()) // run) % count
        self._by_head += torch.bincount(places, sums, minlength=count)

    def finish(self, scale: float) -> ErrorMap | None:
        """Give the map of errors that were divided by `scale`."""
        roots = self._cells.sqrt().flatten().tolist()
        top = max(roots)
        peak = top * scale
        if not 0 < peak < math.inf:
            return None
        heads = None
        if self._heads is not None:
            total = float(self._by_head.sum())
            heads = HeadShares(self._heads.axis, tuple(share / total for share in self._by_head.tolist()))
        return ErrorMap(peak, "".join(_letter(root / top) for root in roots), heads)


def _folded(squares: Tensor, size: int) -> Tensor:
    """Sum the rows of each cell: so many at a time, the last of them perhaps fewer."""
    rows = squares.shape[0]
    whole = rows // size * size
    parts = [squares[:whole].view(-1, size, squares.shape[1]).sum(dim=1)] if whole else []
    if whole < rows:
        parts.append(squares[whole:].sum(dim=0, keepdim=True))
    return torch.cat(parts)


def _letter(share: float) -> str:
    return LETTERS[min(len(LETTERS) - 1, round(-STEPS * math.log2(share)))] if share > 0 else NOTHING
