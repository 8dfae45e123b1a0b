"""What is kept of a tensor in the place of its elements: norms, moments, extremes, sizes and projections."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.metrics import codec
from parity.metrics.exactness import widened
from parity.metrics.histograms import ERROR_BINS, error_histogram
from parity.metrics.record import NonFiniteCounts

PROJECTION_COUNT = 4
POWER_COUNT = 4
# Elements that share one set of random signs; each tile of them has one more for each projection.
SIGN_TILE = 512
SEED = 20_231_107


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A tensor in a few figures, all taken in float64 over its finite elements.

    l1, l2: norms. least, most: the extremes; NaN where nothing is finite. moments: means of the first four powers;
    likewise. sizes: inclusive upper edge -> count of |element|, occupied bins only, ascending; 0.0 counts zeros and
    "inf" all above 2**20 (bins: `ERROR_BINS`). projections: sums of the elements in row-major order, each times a
    random sign (seed: `SEED`): the mean square of what two tensors differ by here is the square of their distance.
    Figures that a float64 cannot hold are infinite or NaN; whole numbers count as their float64.
    """

    dtype: str
    shape: tuple[int, ...]
    elements: int
    nonfinite: NonFiniteCounts
    l1: float
    l2: float
    least: float
    most: float
    moments: tuple[float, float, float, float]
    sizes: Mapping[float, int]
    projections: tuple[float, float, float, float]

    @classmethod
    def from_json(cls, value: object, where: str) -> "Fingerprint":
        """The record of a JSON value; raises `BadInputError` for anything that `codec.encode` did not make of one."""
        found = codec.decode(cls, value, where)
        agree = {
            "elements": found.elements == math.prod(found.shape),
            "sizes": sum(found.sizes.values()) + found.nonfinite.total == found.elements,
            "moments": len(found.moments) == POWER_COUNT,
            "projections": len(found.projections) == PROJECTION_COUNT,
        }
        wrong = [name for name, agrees in agree.items() if not agrees]
        if wrong:
            raise BadInputError(where, f"{', '.join(wrong)} contradicting the rest", "one tensor's", "capture again")
        return found


class Figures(NamedTuple):
    """What an engine gives: NaN, +inf and -inf; the sums of four powers; that of sizes; extremes; projections."""

    nonfinite: tuple[int, int, int]
    powers: tuple[float, float, float, float]
    absolute: float
    least: float
    most: float
    sizes: npt.NDArray[np.int64]
    projections: tuple[float, float, float, float]


def fingerprint_of(shape: tuple[int, ...], dtype: torch.dtype, found: Figures) -> Fingerprint:
    """Give the record of a tensor of that shape and dtype in which an engine found these figures."""
    elements = math.prod(shape)
    finite = elements - sum(found.nonfinite)
    first, second, third, fourth = (power / finite if finite else math.nan for power in found.powers)
    return Fingerprint(
        dtype=str(dtype).removeprefix("torch."),
        shape=shape,
        elements=elements,
        nonfinite=NonFiniteCounts(*found.nonfinite),
        l1=found.absolute,
        l2=math.sqrt(found.powers[1]),
        least=found.least if finite else math.nan,
        most=found.most if finite else math.nan,
        moments=(first, second, third, fourth),
        sizes=error_histogram(found.sizes),
        projections=found.projections,
    )


@cache
def signs() -> npt.NDArray[np.float64]:
    """Signs of the elements of a tile for each projection, (PROJECTION_COUNT, SIGN_TILE), 1.0 or -1.0."""
    bits = mixed(np.arange(PROJECTION_COUNT * SIGN_TILE, dtype=np.uint64) + np.uint64(SEED))
    return np.where(bits & np.uint64(1), 1.0, -1.0).reshape(PROJECTION_COUNT, SIGN_TILE)


def tile_signs(tiles: int) -> npt.NDArray[np.float64]:
    """Sign of each tile for each projection, (tiles, PROJECTION_COUNT)."""
    bits = mixed(np.arange(tiles, dtype=np.uint64))[:, None] >> np.arange(PROJECTION_COUNT, dtype=np.uint64)
    return np.where(bits & np.uint64(1), 1.0, -1.0)


def mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Random bits for numbers: one step of splitmix64, in wrapping arithmetic."""
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def torch_figures(tensor: Tensor) -> Figures:
    """Find the figures of a tensor of a supported dtype in torch operations, on whatever device it is."""
    values = widened(tensor.detach().reshape(-1))
    finite = values.isfinite()
    filled, kept = values.where(finite, 0.0), values[finite]
    first, second, third, fourth = (float((filled**power).sum()) for power in (1, 2, 3, 4))
    return Figures(
        nonfinite=(int(values.isnan().sum()), int((values == torch.inf).sum()), int((values == -torch.inf).sum())),
        powers=(first, second, third, fourth),
        absolute=float(filled.abs().sum()),
        least=float(kept.min()) if kept.numel() else math.nan,
        most=float(kept.max()) if kept.numel() else math.nan,
        sizes=ERROR_BINS.tally(kept.abs()),
        projections=_projections(filled),
    )


def _projections(values: Tensor) -> tuple[float, float, float, float]:
    tiles = -(-values.numel() // SIGN_TILE)
    padded = torch.nn.functional.pad(values, (0, tiles * SIGN_TILE - values.numel())).view(tiles, 1, SIGN_TILE)
    by_tile = (padded * torch.from_numpy(signs()).to(values.device)).sum(dim=2)
    first, second, third, fourth = (by_tile * torch.from_numpy(tile_signs(tiles)).to(values.device)).sum(dim=0).tolist()
    return first, second, third, fourth
