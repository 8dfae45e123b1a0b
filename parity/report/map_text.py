"""What a map of an error says in words: where most of it lies, and which head holds most."""

import math
from collections.abc import Sequence

from parity.metrics import ErrorMap, Grid, grid
from parity.metrics.error_map import LETTERS, NOTHING, STEPS
from parity.report.numbers import plain, share_text

# Less than this at one cell, or less than twice an even share at one head, is no place to look at.
_CELL, _HEAD = 0.1, 2.0


def map_text(found: ErrorMap, shape: Sequence[int]) -> list[str]:
    """Say which cell of a map holds most of the squared error, and which head; nothing of what is spread evenly."""
    cells = grid(shape)
    squares = _squares(found)
    told = []
    if cells is not None and (share := max(squares) / sum(squares)) >= _CELL:
        told.append(f"{share_text(share)} of it at {_cell(found, cells, shape, squares.index(max(squares)))}")
    if found.heads is not None:
        shares = found.heads.shares
        if max(shares) * len(shares) >= _HEAD:
            told.append(f"head {shares.index(max(shares))} of {len(shares)} holds {share_text(max(shares))}")
    return told


def _squares(found: ErrorMap) -> list[float]:
    return [0.0 if letter == NOTHING else 4.0 ** (-LETTERS.index(letter) / STEPS) for letter in found.cells]


def _cell(found: ErrorMap, cells: Grid, shape: Sequence[int], number: int) -> str:
    row, column = divmod(number, cells.column_cells)
    rows = _range(row * cells.row_size, cells.row_size, cells.rows)
    columns = _range(column * cells.column_size, cells.column_size, cells.columns)
    across = f"{columns} of {_axis(found, len(shape) - 1)}"
    return across if cells.rows == 1 else f"{rows} of {_merged(found, shape)} by {across}"


def _range(first: int, size: int, end: int) -> str:
    last = min(first + size, end) - 1
    return f"index {first}" if first == last else f"{first}..{last}"


def _merged(found: ErrorMap, shape: Sequence[int]) -> str:
    """Name the axes that rows run over: all but the last, of which those of one index say nothing."""
    long = [axis for axis in range(len(shape) - 1) if shape[axis] > 1]
    if len(long) == 1:
        return _axis(found, long[0])
    sizes = "x".join(str(shape[axis]) for axis in long)
    return f"the {math.prod(shape[:-1])} rows of axes {', '.join(map(str, long))} ({sizes})"


def _axis(found: ErrorMap, axis: int) -> str:
    return f"axis {axis} ({plain(found.axes[axis])})" if found.axes else f"axis {axis}"
