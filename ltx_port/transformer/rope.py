"""Rotary position embedding: angles from the positions of tokens, and the rotation of queries and keys."""

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class RotaryTable(NamedTuple):
    """Cosines and sines of every token, head and channel pair, in the dtype of the latents."""

    cos: Float[Tensor, "batch heads tokens pairs"]
    sin: Float[Tensor, "batch heads tokens pairs"]


@functools.lru_cache(maxsize=16)
def _frequencies(theta: float, count: int) -> Tensor:
    # float64 until the very end, as `frequencies_precision` asks: a float32 power changes 4-11 % of the
    # bfloat16 cosines at the high frequencies.
    exponents = np.linspace(0.0, 1.0, count, dtype=np.float64)
    return torch.tensor(np.power(theta, exponents) * math.pi / 2, dtype=torch.float32)


class FrequencyGrid(nn.Module):
    """The angular frequencies shared by all axes: theta^k * pi/2 for k evenly from 0 to 1."""

    def __init__(self, theta: float, count: int):
        super().__init__()
        self.theta, self.count = theta, count

    def forward(self, device: torch.device) -> Float[Tensor, " frequencies"]:
        """Give the grid in float32."""
        return _frequencies(self.theta, self.count).to(device)


class FractionalPositions(nn.Module):
    """The middle of each token along each axis, as a fraction of the axis' nominal extent."""

    def __init__(self, max_pos: tuple[int, ...]):
        super().__init__()
        self.max_pos = max_pos

    def forward(self, positions: Float[Tensor, "batch axes tokens 2"]) -> Float[Tensor, "batch tokens axes"]:
        """Divide in the dtype of the positions: that rounding is part of what the release computes."""
        start, end = positions.unbind(dim=-1)
        middle = (start + end) / 2.0
        return torch.stack([middle[:, axis] / extent for axis, extent in enumerate(self.max_pos)], dim=-1)


class RotaryAngles(nn.Module):
    """The angle of each token at each frequency and axis, the axis running fastest."""

    def forward(
        self, grid: Float[Tensor, " frequencies"], fraction: Float[Tensor, "batch tokens axes"]
    ) -> Float[Tensor, "batch tokens angles"]:
        """Give radians in float32; a bfloat16 fraction is mapped to [-1, 1] before it meets the grid."""
        centred = fraction.unsqueeze(-1) * 2 - 1
        return (grid * centred).transpose(-1, -2).flatten(2)


class RotaryEmbedding(nn.Module):
    """Tables for the rotation of `heads` heads that share `dim` channels, from positions on some axes."""

    def __init__(self, dim: int, heads: int, theta: float, max_pos: tuple[int, ...]):
        super().__init__()
        self.pairs, self.heads = dim // 2, heads
        self.grid = FrequencyGrid(theta, dim // (2 * len(max_pos)))
        self.fraction = FractionalPositions(max_pos)
        self.angles = RotaryAngles()

    def forward(self, positions: Float[Tensor, "batch axes tokens 2"], dtype: torch.dtype) -> RotaryTable:
        """Give the table in `dtype`; cosines and sines are taken in float32 and then rounded."""
        angles = self.angles(self.grid(positions.device), self.fraction(positions))
        # Pairs that no frequency reaches stay put (cos 1, sin 0); they come first, as trained.
        missing = self.pairs - angles.shape[-1]
        cos = nn.functional.pad(angles.cos(), (missing, 0), value=1.0)
        sin = nn.functional.pad(angles.sin(), (missing, 0), value=0.0)
        return RotaryTable(cos=self._per_head(cos).to(dtype), sin=self._per_head(sin).to(dtype))

    def _per_head(self, table: Float[Tensor, "batch tokens pairs"]) -> Float[Tensor, "batch heads tokens part"]:
        # Each head takes its own slice of the pairs: heads see different frequencies.
        return table.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Rotate(nn.Module):
    """Rotates each head's first half of channels against its second half."""

    def forward(self, x: Float[Tensor, "batch tokens dim"], table: RotaryTable) -> Float[Tensor, "batch tokens dim"]:
        """Rotate queries or keys; the cross term is added without rounding the product first (addcmul)."""
        cos, sin = (part.transpose(1, 2).unsqueeze(-2) for part in table)
        halves = x.unflatten(-1, (cos.shape[2], 2, -1))
        first, second = halves[..., :1, :], halves[..., 1:, :]
        rotated = halves * cos
        rotated_first = torch.addcmul(rotated[..., :1, :], -sin, second)
        rotated_second = torch.addcmul(rotated[..., 1:, :], sin, first)
        return torch.cat([rotated_first, rotated_second], dim=-2).flatten(2)
