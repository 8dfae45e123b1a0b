"""Reading with torch operations: what defines a sketch, on any device, with all sums in float64."""

from collections.abc import Iterator

import torch
from torch import Tensor

from parity.sketch.layout import RUNS, Layout, element_positions, layout
from parity.sketch.read import EXPONENTS, SketchRead, counted, energy_sums, word_lanes
from parity.sketch.recipe import BUCKETS, GROUPS, LANES, WORD, Recipe, Seeds, scattered

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_EXACT_IN_FLOAT32 = frozenset({torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2})
# Bits below the exponent of float32 and float64, the latter's exponent, and by how much it is larger.
_FRACTION32, _FRACTION64, _EXPONENTS64, _BIAS = 23, 52, 2047, 1023 - 127
_BYTES = 4


def read_plain(tensor: Tensor, recipe: Recipe) -> SketchRead:
    """Read a tensor of a dtype that dumps hold.

    A bucket is the sum of sign * value of its elements. A check is the sum of weight * scattered(word) modulo 2**32 of
    the words of 32 bits, little-endian, that a tensor's bytes make up, with zeros behind the last one; a chunk of 64
    elements has 16, 32 or 64 lanes of words, and the lanes beyond hold 0. Elements of 64 bits are taken for twice as
    many of 32.
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
        exponents=torch.bincount(_exponents(counted(flat), counted(wide)), minlength=EXPONENTS),
        nonfinite=torch.stack([wide.isnan().sum(), (wide == torch.inf).sum(), (wide == -torch.inf).sum()]),
        largest=finite.abs().amax() if flat.numel() else finite.new_zeros(()),
        elements=kept.view(flat.dtype),
    )


def _buckets(values: Tensor, seeds: Seeds) -> Tensor:
    total = values.new_zeros(BUCKETS)
    for piece, where in _pieces(values, seeds, LANES):
        total += (piece[where.source] * where.signs).sum(dim=0)
    return total.view(GROUPS, LANES)


def _checks(bits: Tensor, seeds: Seeds) -> Tensor:
    lanes = word_lanes(bits.element_size())
    raw = bits.view(torch.uint8)
    words = torch.nn.functional.pad(raw, (0, -raw.numel() % _BYTES)).view(torch.int32)
    total = torch.zeros(GROUPS * lanes, dtype=torch.int64, device=bits.device)
    for piece, where in _pieces(words, seeds, lanes):
        total += (scattered(piece.long() & WORD)[where.source] * where.weights).sum(dim=0)
    return torch.nn.functional.pad((total & WORD).view(GROUPS, lanes), (0, LANES - lanes))


def _pieces(flat: Tensor, seeds: Seeds, lanes: int) -> Iterator[tuple[Tensor, Layout]]:
    """Give the runs in pieces, the last one with zeros behind it up to whole runs, each with its layout."""
    long = GROUPS * lanes
    for start in range(0, flat.numel(), RUNS * long):
        piece, where = flat[start : start + RUNS * long], layout(start // long, seeds, flat.device, lanes)
        runs = -(-piece.numel() // long)
        padded = torch.nn.functional.pad(piece, (0, runs * long - piece.numel()))
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
