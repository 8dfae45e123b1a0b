"""Reading with torch operations: what defines a sketch, on any device, with all sums in float64."""

from collections.abc import Iterator

import torch
from torch import Tensor

from parity.sketch.layout import RUNS, Layout, element_positions, layout
from parity.sketch.read import EXPONENTS, SketchRead, energy_sums
from parity.sketch.recipe import BUCKETS, GROUPS, LANES, WORD, Recipe, Seeds, scattered

_PIECE = RUNS * BUCKETS
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_EXACT_IN_FLOAT32 = frozenset({torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2})
# Bits below the exponent of float32 and float64, the latter's exponent, and by how much it is larger.
_FRACTION32, _FRACTION64, _EXPONENTS64, _BIAS = 23, 52, 2047, 1023 - 127
_BYTES = 4


def read_plain(tensor: Tensor, recipe: Recipe) -> SketchRead:
    """Read a tensor of a dtype that dumps hold.

    A bucket is the sum of sign * value of its elements, a check the sum of weight * scattered(bits) modulo 2**32, the
    bits as an unsigned number. The bits of a format of 64 bits are taken for those of twice as many elements of 32, the
    low ones first, in buckets of their own.
    """
    flat = tensor.detach().reshape(-1)
    # A tensor of one element may have any stride, and then has no view of another type.
    flat = flat.clone(memory_format=torch.contiguous_format) if flat.numel() == 1 else flat.contiguous()
    bits, wide = flat.view(_BITS[flat.element_size()]), flat.double()
    finite = wide.where(wide.isfinite(), 0.0)
    positions, channels = energy_sums(_energies(finite), tuple(tensor.shape))
    kept = bits[element_positions(flat.numel(), recipe, flat.device)]
    return SketchRead(
        buckets=_buckets(finite, recipe.seeds),
        checks=_checks(bits, recipe.seeds),
        positions=positions,
        channels=channels,
        exponents=torch.bincount(_exponents(flat, wide), minlength=EXPONENTS),
        nonfinite=torch.stack([wide.isnan().sum(), (wide == torch.inf).sum(), (wide == -torch.inf).sum()]),
        largest=finite.abs().amax() if flat.numel() else finite.new_zeros(()),
        elements=kept.view(flat.dtype),
    )


def _buckets(values: Tensor, seeds: Seeds) -> Tensor:
    total = values.new_zeros(BUCKETS)
    for piece, where in _pieces(values, seeds):
        total += (piece[where.source] * where.signs).sum(dim=0)
    return total.view(GROUPS, LANES)


def _checks(bits: Tensor, seeds: Seeds) -> Tensor:
    words = bits.view(torch.int32) if bits.element_size() > _BYTES else bits
    mask = (1 << (8 * words.element_size())) - 1
    total = torch.zeros(BUCKETS, dtype=torch.int64, device=bits.device)
    for piece, where in _pieces(words, seeds):
        total += (scattered(piece.long() & mask)[where.source] * where.weights).sum(dim=0)
    return (total & WORD).view(GROUPS, LANES)


def _pieces(flat: Tensor, seeds: Seeds) -> Iterator[tuple[Tensor, Layout]]:
    """Give the runs in pieces, the last one with zeros behind it up to whole runs, each with its layout."""
    for start in range(0, flat.numel(), _PIECE):
        piece, where = flat[start : start + _PIECE], layout(start // BUCKETS, seeds, flat.device)
        runs = -(-piece.numel() // BUCKETS)
        padded = torch.nn.functional.pad(piece, (0, runs * BUCKETS - piece.numel()))
        yield padded, Layout(*(part[:runs] for part in where))


def _energies(values: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(values, (0, -values.numel() % LANES))
    return padded.view(-1, LANES).square().sum(dim=1)


def _exponents(flat: Tensor, wide: Tensor) -> Tensor:
    """Give the exponent bits that each element has as a float32, none rounded up; 0 for what is too small for one."""
    if flat.dtype in _EXACT_IN_FLOAT32:
        return (flat.float().view(torch.int32) >> _FRACTION32) & (EXPONENTS - 1)
    biased = ((wide.view(torch.int64) >> _FRACTION64) & _EXPONENTS64) - _BIAS
    return biased.clamp(0, EXPONENTS - 2).where(wide.isfinite(), EXPONENTS - 1)
