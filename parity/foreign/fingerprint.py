"""Fingerprints: a few numbers of a tensor by which its like is found among thousands without looking at all pairs.

`levels` do not depend on the order of the elements, so that they also find a transposed or permuted tensor; the
seeded `projections` depend on the row-major order alone, so that a reshaped tensor has the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

LEVELS = 64
PROJECTIONS = 16
_SEED = 20260305
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of one tensor.

    `rms` and `spread` (standard deviation) are its scale, `levels` the means of equal parts of its sorted values,
    `projections` its products with seeded vectors of signs, over the root of the number of elements. `distinct` counts
    different values, up to 4. `finite`: whether all are; where not, the rest is zero.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    rms: float
    spread: float
    levels: Tensor
    projections: Tensor
    distinct: int
    finite: bool

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def epsilon(self) -> float:
        """The spacing of the dtype's numbers at 1; 0 for whole numbers."""
        return torch.finfo(self.dtype).eps if self.dtype.is_floating_point else 0.0

    @property
    def tells(self) -> bool:
        """Whether equal values can be taken for the same tensor: there are enough of them, and they differ."""
        return self.distinct >= 4


def fingerprint(name: str, tensor: Tensor) -> Fingerprint:
    """Take a tensor's fingerprint, in float64."""
    flat = tensor.detach().reshape(-1).double()
    shape = tuple(tensor.shape)
    if not flat.numel() or not bool(torch.isfinite(flat).all()):
        nothing = torch.zeros(0, dtype=torch.float64)
        return Fingerprint(name, tensor.dtype, shape, 0.0, 0.0, nothing, nothing, 0, finite=bool(flat.numel() == 0))
    ordered = flat.sort().values
    return Fingerprint(
        name,
        tensor.dtype,
        shape,
        float(flat.square().mean().sqrt()),
        float(flat.std(correction=0)),
        levels_of(ordered),
        _projections(flat),
        _distinct(ordered),
        finite=True,
    )


def level_distance(left: Tensor, right: Tensor) -> Tensor:
    """Give a lower bound on the root mean square difference of two tensors in any order of their elements.

    Sorting brings two sets of numbers as close as they get, and means of parts are no further apart than the parts.
    """
    return (left - right).square().mean(-1).sqrt()


def projected_distance(left: Tensor, right: Tensor) -> Tensor:
    """Estimate the root mean square difference of two tensors, row-major, to about a fifth of it."""
    return (left - right).square().mean(-1).sqrt()


def stacked(prints: Sequence[Fingerprint]) -> tuple[Tensor, Tensor]:
    """Give (levels, projections) of fingerprints of one size, a row for each."""
    return torch.stack([one.levels for one in prints]), torch.stack([one.projections for one in prints])


def levels_of(ordered: Tensor) -> Tensor:
    """Give the means of equal parts of sorted values."""
    if ordered.numel() <= LEVELS:
        return ordered
    # Equal parts, so that each level weighs the same; the few largest values behind them are left out of the bound.
    size = ordered.numel() // LEVELS
    return ordered[: size * LEVELS].view(LEVELS, size).mean(1) * math.sqrt(size * LEVELS / ordered.numel())


def _distinct(ordered: Tensor) -> int:
    return min(4, 1 + int((ordered[1:] != ordered[:-1]).sum()))


def _projections(flat: Tensor) -> Tensor:
    total = torch.zeros(PROJECTIONS, dtype=torch.float64)
    for start in range(0, flat.numel(), _CHUNK):
        part = flat[start : start + _CHUNK]
        total += _signs(start // _CHUNK)[:, : part.numel()] @ part
    return total / math.sqrt(flat.numel())


@lru_cache(maxsize=4)
def _signs(chunk: int) -> Tensor:
    """Give the signs of a chunk, a row for each projection; the same whatever else is drawn."""
    generator = np.random.Generator(np.random.Philox(key=[_SEED, chunk]))
    bits = generator.integers(0, 2, (PROJECTIONS, _CHUNK), dtype=np.int8)
    return torch.from_numpy(bits).double() * 2 - 1
