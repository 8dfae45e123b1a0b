"""What one read of a tensor gives, on the tensor's device."""

from typing import NamedTuple

import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.sketch.recipe import BUCKETS, LANES
from parity.store.bits import STORED_DTYPES, dtype_name

POSITION_BLOCKS = 32
EXPONENTS = 256
MOST_CHANNEL_BLOCKS = 512
_WORD_BYTES = 4
COUNTED_BLOCKS = 8
"""Of how many blocks of a tensor the exponents are counted at most."""
_COUNTED_BLOCK = 16 * BUCKETS
_FEWEST_AXES_WITH_CHANNELS = 2


class SketchRead(NamedTuple):
    """What is read of a tensor; nothing here has been waited for.

    buckets: (24, 64) float64 or float32, sums of signed elements; what is not finite counts as 0.
    checks: (24, 64) int64 from 0 to 2**32 - 1, or int32 with the same low bits: as `plain.read_plain` says.
    positions: (32,) float64, sums of squares of the ranges of `energy_sums`; channels: of the blocks of 64 channels,
    none where the last axis is no multiple of 64.
    exponents: (256,) int64, counted elements by the exponent bits of their float32; 255 counts what is not finite.
    nonfinite: (3,) int64, NaN, +inf and -inf. largest: () float64, of the finite magnitudes.
    elements: the elements at `layout.element_positions`, in the tensor's dtype.
    """

    buckets: Tensor
    checks: Tensor
    positions: Tensor
    channels: Tensor
    exponents: Tensor
    nonfinite: Tensor
    largest: Tensor
    elements: Tensor


def energy_sums(energies: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Add up the sums of squares of the chunks (q,) of a tensor of that shape, in float64.

    Gives (32,), for ranges of ceil(q / 32) chunks each, the last ones shorter or empty; and one for each block of 64
    channels, as many as `channel_blocks` says.
    """
    wide = energies.double()
    each = -(-wide.numel() // POSITION_BLOCKS)
    padded = torch.nn.functional.pad(wide, (0, each * POSITION_BLOCKS - wide.numel()))
    blocks = channel_blocks(shape)
    by_channel = wide.view(-1, blocks).sum(dim=0) if blocks else wide[:0]
    return padded.view(POSITION_BLOCKS, each).sum(dim=1), by_channel


def counted(flat: Tensor) -> Tensor:
    """Give the elements whose exponents are counted: all of up to eight blocks of 24,576 elements.

    Of more blocks, the first of every n, n being an eighth of their number rounded up.
    """
    blocks = flat.split(_COUNTED_BLOCK)
    return torch.cat(blocks[:: _stride(len(blocks))]) if len(blocks) > COUNTED_BLOCKS else flat


def counted_elements(size: int) -> int:
    """Say how many of so many elements `counted` gives."""
    blocks = -(-size // _COUNTED_BLOCK)
    last = (blocks - 1) // _stride(blocks) * _stride(blocks) if blocks else 0
    return last // _stride(blocks) * _COUNTED_BLOCK + min(size - last * _COUNTED_BLOCK, _COUNTED_BLOCK)


def _stride(blocks: int) -> int:
    return max(1, -(-blocks // COUNTED_BLOCKS))


def channel_blocks(shape: tuple[int, ...]) -> int:
    """Count the blocks of 64 channels: of the last of two axes or more, where it is a multiple of 64 up to 32,768."""
    if len(shape) < _FEWEST_AXES_WITH_CHANNELS or shape[-1] % LANES or 0 in shape:
        return 0
    blocks = shape[-1] // LANES
    return blocks if blocks <= MOST_CHANNEL_BLOCKS else 0


def word_lanes(bytes_each: int) -> int:
    """Give how many words of 32 bits a chunk of 64 elements has; elements of 64 bits are two each, in chunks of 64."""
    return min(LANES, LANES * bytes_each // _WORD_BYTES)


def require_readable(where: str, tensor: Tensor) -> None:
    """Refuse a tensor that has no stored form: BadInputError."""
    if dtype_name(tensor.dtype) not in STORED_DTYPES or tensor.layout != torch.strided or tensor.is_meta:
        got = f"a tensor of {tensor.dtype}, {tensor.layout}, on {tensor.device}"
        raise BadInputError(where, got, "a dense tensor of a dtype that dumps hold", "leave it out with --taps")
