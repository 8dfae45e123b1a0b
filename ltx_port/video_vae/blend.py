"""Steps that put tiles together: weigh, sum, carry over into the next stretch of time, divide."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.release import NEWEST, Release
from ltx_port.video_vae.layout import Masks, Place, Tile

_LEAST_WEIGHT = 1e-8
_CLOSE_TO_ONE = 1e-5


class Sums(NamedTuple):
    """What the tiles add up to so far; `weights` is None where it would be 1 everywhere in the end."""

    values: Float[Tensor, "batch channels frames height width"]
    weights: Float[Tensor, "batch channels frames height width"] | None


class Weighted(NamedTuple):
    """A tile times its mask, and the mask over frames, rows and columns."""

    values: Float[Tensor, "batch channels frames height width"]
    mask: Float[Tensor, "frames height width"]


class Weigh(nn.Module):
    """Multiplies a tile by its mask."""

    def __init__(self, release: Release = NEWEST):
        super().__init__()
        self.in_float32 = release.tile_masks_float32

    def forward(self, tile: Float[Tensor, "batch channels frames height width"], masks: Masks) -> Weighted:
        """Give the weighted tile: float32 where the release weighs in it, else the tile's dtype."""
        frames, rows, columns = (mask.to(tile.device) for mask in masks)
        frames, rows = frames[:, None, None], rows[:, None]
        mask = frames * rows * columns
        if self.in_float32:
            # Rounded after each axis: not the same as one multiplication by the product.
            return Weighted(tile.float() * frames * rows * columns, mask)
        mask = mask.to(tile.dtype)
        return Weighted(tile * mask, mask)


class Accumulate(nn.Module):
    """Adds a weighted tile to what is there already, in place."""

    def forward(self, sums: Sums, tile: Weighted, place: Place) -> Sums:
        """Give the sums, in their own dtype."""
        sums.values[place] += tile.values
        if sums.weights is not None:
            sums.weights[place] += tile.mask
        return sums


class CarryOver(nn.Module):
    """Joins two stretches of time where they overlap, in place: each gets the sum of both."""

    def forward(self, before: Sums, now: Sums, overlap: int) -> tuple[Sums, Sums]:
        """Give both; `overlap` frames at the end of one are those at the start of the other."""
        for old, new in zip(before, now, strict=True):
            if overlap > 0 and old is not None and new is not None:
                old[:, :, -overlap:] += new[:, :, :overlap]
                new[:, :, :overlap] = old[:, :, -overlap:]
        return before, now


class Divide(nn.Module):
    """Divides the sum of tiles by the sum of their masks."""

    def forward(self, sums: Sums, frames: int) -> Float[Tensor, "batch channels frames height width"]:
        """Give the first `frames` frames."""
        if sums.weights is None:
            return sums.values[:, :, :frames]
        return (sums.values / sums.weights.clamp(min=_LEAST_WEIGHT))[:, :, :frames]


class Empty(nn.Module):
    """Makes the zeros that tiles are added to, and decides whether their masks have to be added up as well."""

    def __init__(self, release: Release = NEWEST):
        super().__init__()
        self.if_needed = release.tiles_divided_if_needed

    def forward(self, like: Float[Tensor, "..."], shape: tuple[int, ...], tiles: Sequence[Tile]) -> Sums:
        """Give zeros of `shape` in the dtype and on the device of `like`; `tiles` are all of the clip."""
        values = torch.zeros(shape, dtype=like.dtype, device=like.device)
        needless = self.if_needed and all(_sums_to_one(tiles, axis) for axis in range(3))
        return Sums(values, None if needless else torch.zeros_like(values))


def _sums_to_one(tiles: Sequence[Tile], axis: int) -> bool:
    along = {tuple(tile.coords[1, axis].tolist()): tile.masks[axis] for tile in tiles}
    total = torch.zeros(max(stop for _, stop in along))
    for (start, stop), mask in along.items():
        total[start:stop] += mask.cpu()
    return torch.allclose(total, torch.ones_like(total), rtol=0.0, atol=_CLOSE_TO_ONE)
