"""The rows of a sketch as tensors, one for each part of a row, and back."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parity.errors import BadInputError
from parity.sketch.read import EXPONENTS, POSITION_BLOCKS, channel_blocks, counted_elements
from parity.sketch.recipe import BUCKETS
from parity.sketch.row import DIGEST_BYTES, MOST_STEPS, Row
from parity.store import strict_json
from parity.store.bits import STORED_DTYPES, dtype_name
from parity.store.refusal import shown

_STEP_BYTES = 3
_SIGN_BIT = 0x80
_MOST_COUNT = 2**32 - 1
_SPAN = 2
_KINDS_OF_NONFINITE = 3

FORMS: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
    "kind": (torch.int32, ()),
    "digest": (torch.uint8, (DIGEST_BYTES,)),
    "buckets": (torch.uint8, (BUCKETS * _STEP_BYTES,)),
    "scale": (torch.float64, ()),
    "norm": (torch.float64, ()),
    "largest": (torch.float64, ()),
    "nonfinite": (torch.int64, (_KINDS_OF_NONFINITE,)),
    "positions": (torch.float32, (POSITION_BLOCKS,)),
    "span": (torch.int16, (_SPAN,)),
}
"""Columns with one entry for each row: dtype, and shape of the entry."""
JOINED = {
    "kinds": torch.uint8,
    "channels": torch.float32,
    "exponents": torch.uint32,
    "elements": torch.uint8,
}
"""Columns in which the entries of the rows, of lengths that follow from the rest, lie one behind the other.

`kinds` is JSON: the dtypes and shapes that `kind` numbers.
"""


class Kept(NamedTuple):
    """How many exact elements a tensor has: all where it has `whole` at most, otherwise the first `first` drawn."""

    whole: int
    first: int

    def of(self, size: int) -> int:
        """Count those of a tensor of that many elements."""
        return size if size <= self.whole else self.first


def columns_of(rows: Sequence[Row], kept: Kept) -> dict[str, Tensor]:
    """Lay the rows out by parts; BadInputError where a count needs more than 32 bits."""
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys((row.dtype, row.shape) for row in rows))}
    told = [(dtype_name(dtype), shape) for dtype, shape in kinds]
    spans = [_span(row.exponents) for row in rows]
    exponents = [row.exponents[first : first + count] for row, (first, count) in zip(rows, spans, strict=True)]
    if max(int(row.exponents.max()) for row in rows) > _MOST_COUNT:
        raise BadInputError("sketch", "a tensor of more than 2**32 elements of a kind", "fewer", "leave it out")
    columns: dict[str, NDArray[Any]] = {
        "kinds": np.frombuffer(json.dumps(told, separators=(",", ":")).encode("ascii"), np.uint8),
        "kind": np.array([kinds[row.dtype, row.shape] for row in rows], np.int32),
        "digest": np.array([list(row.digest) for row in rows], np.uint8),
        "buckets": np.stack([row.buckets.view(np.uint8).reshape(BUCKETS, -1)[:, :_STEP_BYTES].ravel() for row in rows]),
        "scale": np.array([row.scale for row in rows], np.float64),
        "norm": np.array([row.norm for row in rows], np.float64),
        "largest": np.array([row.largest for row in rows], np.float64),
        "nonfinite": np.array([row.nonfinite for row in rows], np.int64),
        "positions": np.stack([row.positions for row in rows]),
        "channels": np.concatenate([row.channels for row in rows]),
        "span": np.array(spans, np.int16),
        "exponents": np.concatenate(exponents).astype(np.uint32),
        "elements": np.concatenate([row.elements[: kept.of(row.size) * row.dtype.itemsize] for row in rows]),
    }
    return {name: torch.from_numpy(column.copy()) for name, column in columns.items()}


def rows_in(columns: Mapping[str, Tensor], kept: Kept, where: str) -> list[Row]:
    """Make rows of the columns; BadInputError for any part that is missing, misshapen or contradicts another."""
    _require_forms(columns, where)
    parts = {name: column.numpy() for name, column in columns.items()}
    kinds = _kinds(parts["kinds"], where)
    if len(parts["kind"]) and not 0 <= parts["kind"].min() <= parts["kind"].max() < len(kinds):
        _refuse(where, "a kind that is not in its list")
    of_rows = [kinds[number] for number in parts["kind"].tolist()]
    spans = [(first, count) for first, count in parts["span"].tolist()]
    if any(first < 0 or count < 0 or first + count > EXPONENTS for first, count in spans):
        _refuse(where, "exponents beyond 256")
    sizes = [math.prod(shape) for _, shape in of_rows]
    channels = _split(parts["channels"], [channel_blocks(shape) for _, shape in of_rows], f"{where}: channels")
    exponents = _split(parts["exponents"], [count for _, count in spans], f"{where}: exponents")
    widths = [kept.of(size) * dtype.itemsize for size, (dtype, _) in zip(sizes, of_rows, strict=True)]
    elements = _split(parts["elements"], widths, f"{where}: elements")
    buckets = _unpacked(parts["buckets"], where)
    rows = []
    for number, (dtype, shape) in enumerate(of_rows):
        nan, above, below = parts["nonfinite"][number].tolist()
        row = Row(
            dtype=dtype,
            shape=shape,
            digest=parts["digest"][number].tobytes(),
            buckets=buckets[number],
            scale=float(parts["scale"][number]),
            norm=float(parts["norm"][number]),
            largest=float(parts["largest"][number]),
            nonfinite=(nan, above, below),
            exponents=_whole(exponents[number], spans[number][0]),
            positions=parts["positions"][number],
            channels=channels[number],
            elements=elements[number],
        )
        _require_consistent(row, f"{where}: row {number}")
        rows.append(row)
    return rows


def _require_forms(columns: Mapping[str, Tensor], where: str) -> None:
    wanted = {**{name: dtype for name, (dtype, _) in FORMS.items()}, **JOINED}
    if columns.keys() != wanted.keys():
        _refuse(where, f"columns {shown(sorted(columns))} in place of {sorted(wanted)}")
    rows = len(columns["kind"]) if columns["kind"].ndim else 0
    for name, column in columns.items():
        shape = (rows, *FORMS[name][1]) if name in FORMS else (column.numel(),)
        if column.dtype != wanted[name] or tuple(column.shape) != shape:
            got = f"column {name} of {column.dtype} and shape {tuple(column.shape)}"
            _refuse(where, f"{got} in place of {wanted[name]} and {shape}")


def _kinds(raw: NDArray[np.uint8], where: str) -> list[tuple[torch.dtype, tuple[int, ...]]]:
    found = strict_json.decode(f"{where}: kinds", raw.tobytes())
    kinds = []
    for kind in found if isinstance(found, list) else [None]:
        dtype, shape = kind if isinstance(kind, list) and len(kind) == _SPAN else (None, None)
        if not isinstance(dtype, str) or dtype not in STORED_DTYPES or not isinstance(shape, list):
            _refuse(where, f"the kind {shown(kind)}")
        if not all(type(size) is int and size >= 0 for size in shape):
            _refuse(where, f"the shape {shown(shape)}")
        kinds.append((STORED_DTYPES[dtype].torch_dtype, tuple(shape)))
    return kinds


def _split(column: NDArray[Any], lengths: Sequence[int], where: str) -> list[NDArray[Any]]:
    if sum(lengths) != len(column):
        _refuse(where, f"{len(column)} entries where the rows have {sum(lengths)}")
    return np.split(column, np.cumsum(lengths)[:-1]) if lengths else []


def _span(exponents: NDArray[np.int64]) -> tuple[int, int]:
    """Give the first bin that is not empty, and how many there are up to the last one."""
    used = np.flatnonzero(exponents)
    return (int(used[0]), int(used[-1] - used[0] + 1)) if len(used) else (0, 0)


def _whole(counts: NDArray[Any], first: int) -> NDArray[np.int64]:
    exponents = np.zeros(EXPONENTS, np.int64)
    exponents[first : first + len(counts)] = counts
    return exponents


def _unpacked(packed: NDArray[np.uint8], where: str) -> NDArray[np.int32]:
    steps = packed.reshape(len(packed), BUCKETS, _STEP_BYTES)
    sign = np.where(steps[:, :, -1:] & _SIGN_BIT, np.uint8(0xFF), np.uint8(0))
    buckets = np.concatenate([steps, sign], axis=2).view("<i4").reshape(len(packed), BUCKETS)
    if buckets.size and buckets.min() < -MOST_STEPS:
        _refuse(where, f"a bucket of {buckets.min()} steps")
    return buckets


def _require_consistent(row: Row, where: str) -> None:
    finite = (row.largest, row.scale, row.norm, *row.positions.tolist(), *row.channels.tolist())
    counts = int(row.exponents.sum())
    # Of a large tensor exponents are counted in part.
    uncounted = sum(row.nonfinite) - int(row.exponents[EXPONENTS - 1])
    wrong = {
        "a negative figure or NaN": any(not figure >= 0 for figure in finite),
        "an infinite largest magnitude": math.isinf(row.largest),
        f"{counts} exponents": counts != counted_elements(row.size),
        "counts of what is not finite": min(row.nonfinite) < 0 or not 0 <= uncounted <= row.size - counts,
        "buckets without a scale": bool(row.buckets.any()) and not 0 < row.scale < math.inf,
    }
    for got in (what for what, is_so in wrong.items() if is_so):
        _refuse(where, f"{got} in a tensor of shape {shown(row.shape)}")


def _refuse(where: str, got: str) -> NoReturn:
    raise BadInputError(where, got, "a whole sketch", "capture it again with --sketch")
