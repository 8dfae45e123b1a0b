"""Reads many pairs of tensors on a GPU in one launch, each element once."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from parity.lockstep.readers import Pair, Read, read_one_by_one

_BITS = {torch.bfloat16: tl.int16, torch.float16: tl.int16, torch.float32: tl.int32}
_FLOATS = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16, torch.float32: tl.float32}
_BLOCK = 4096
# Numbers above it are scaled before they are squared, and summed by themselves: float32 does not hold their squares.
_LARGE = 2.0**40
_SCALE = 2.0**-90
# Programs for each pair: enough for one large pair to fill a GPU, and few enough for small pairs to end at once.
_PROGRAMS = 512


def read_batched(pairs: Sequence[Pair], sums: torch.dtype) -> Read:
    """Read pairs of one device; formats and layouts that the kernel does not know are read with torch operations."""
    if sums != torch.float32:
        return read_one_by_one(pairs, sums)
    device = pairs[0][0].device
    differ = torch.zeros(len(pairs), dtype=torch.float64, device=device)
    squares = torch.zeros(len(pairs), dtype=torch.float64, device=device)
    pairs = [_dense(pair) for pair in pairs]
    kinds = [own.dtype if _fits(own, reference) else None for own, reference in pairs]
    for kind in dict.fromkeys(kinds):
        places = [index for index, found in enumerate(kinds) if found == kind]
        some = [pairs[index] for index in places]
        read = read_one_by_one(some, sums) if kind is None else _read(some, kind)
        if len(places) == len(pairs):
            return read
        # Made on the host: made on the device, the host would wait for all that the device still has to do.
        where = torch.tensor(places).to(device, non_blocking=True)
        differ[where], squares[where] = read.differ, read.squares
    return Read(differ, squares)


def _dense(pair: Pair) -> Pair:
    """Copy what lies scattered: one launch, where reading it with torch operations takes ten."""
    own, reference = pair
    return own.contiguous(), reference.contiguous()


def _fits(own: Tensor, reference: Tensor) -> bool:
    return own.dtype in _BITS and own.device == reference.device


def _read(pairs: Sequence[Pair], dtype: torch.dtype) -> Read:
    device = pairs[0][0].device
    rows = [(own.data_ptr(), reference.data_ptr(), own.numel()) for own, reference in pairs]
    table = torch.tensor(rows, dtype=torch.int64).to(device, non_blocking=True)
    differ = torch.empty(len(pairs), _PROGRAMS, dtype=torch.int32, device=device)
    squares = torch.empty(2, len(pairs), _PROGRAMS, dtype=torch.float32, device=device)
    with torch.cuda.device(device):
        _kernel[(_PROGRAMS, len(pairs))](
            table, differ, squares[0], squares[1], _BITS[dtype], _FLOATS[dtype],
            PROGRAMS=_PROGRAMS, BLOCK=_BLOCK, LARGE=_LARGE, SCALE=_SCALE,
        )  # fmt: skip
    small, large = squares.sum(dim=2, dtype=torch.float64)
    return Read(differ.amax(dim=1).double(), small + large / _SCALE**2)


# What Triton compiles in is in capitals.
@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]  # noqa: PLR0913
    table,
    differ,
    squares,
    large,
    BITS: tl.constexpr,  # noqa: N803
    FLOATS: tl.constexpr,  # noqa: N803
    PROGRAMS: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
    LARGE: tl.constexpr,  # noqa: N803
    SCALE: tl.constexpr,  # noqa: N803
):
    program = tl.program_id(0)
    pair = tl.program_id(1).to(tl.int64)
    own = tl.load(table + pair * 3).to(tl.pointer_type(BITS))
    reference = tl.load(table + pair * 3 + 1).to(tl.pointer_type(BITS))
    size = tl.load(table + pair * 3 + 2)
    different = tl.zeros([BLOCK], dtype=tl.int32)
    total = tl.zeros([BLOCK], dtype=tl.float32)
    scaled = tl.zeros([BLOCK], dtype=tl.float32)
    start = program.to(tl.int64) * BLOCK
    while start < size:
        at = start + tl.arange(0, BLOCK)
        inside = at < size
        left = tl.load(own + at, mask=inside, other=0)
        right = tl.load(reference + at, mask=inside, other=0)
        different |= (left != right).to(tl.int32)
        value = left.to(FLOATS, bitcast=True).to(tl.float32)
        # NaN is not small and not large, and has to show: it goes with the small.
        is_large = tl.abs(value) > LARGE
        down = tl.where(is_large, value * SCALE, 0.0)
        value = tl.where(is_large, 0.0, value)
        total += value * value
        scaled += down * down
        start += PROGRAMS * BLOCK
    tl.store(differ + pair * PROGRAMS + program, tl.max(different, axis=0))
    tl.store(squares + pair * PROGRAMS + program, tl.sum(total, axis=0))
    tl.store(large + pair * PROGRAMS + program, tl.sum(scaled, axis=0))
