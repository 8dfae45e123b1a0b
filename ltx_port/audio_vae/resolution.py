"""Halving and doubling the resolution in time and mel."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.audio_vae.convolution import KERNEL, CausalConv, ZeroPad

FACTOR = 2


class Downsample(nn.Module):
    """Halves both axes by a strided convolution: 2n+1 frames become n+1, the first of them from the first alone."""

    def __init__(self, channels: int):
        super().__init__()
        # Even in mel, where all bins are there at once; wholly in front in time, where the future is not.
        self.pad = ZeroPad(time=(KERNEL - 1, 0), mel=(0, 1))
        self.conv = nn.Conv2d(channels, channels, KERNEL, stride=FACTOR)

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch channels fewer_frames fewer_bins"]:
        """Halve the resolution."""
        return self.conv(self.pad(x))


class Nearest(nn.Module):
    """Repeats every frame and every mel bin."""

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch channels more_frames more_bins"]:
        """Double the resolution."""
        return F.interpolate(x, scale_factor=float(FACTOR), mode="nearest")


class DropFirst(nn.Module):
    """Drops the first frame: like the second, it saw nothing but the first of the input and padding."""

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch channels remaining_frames bins"]:
        """Drop a frame; the result is a view, which reductions behind it read in the same order as the reference's."""
        return x[:, :, 1:]


class Upsample(nn.Module):
    """Doubles both axes and drops a frame: n+1 frames become 2n+1."""

    def __init__(self, channels: int):
        super().__init__()
        self.nearest = Nearest()
        self.conv = CausalConv(channels, channels)
        self.drop = DropFirst()

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch channels more_frames more_bins"]:
        """Double the resolution."""
        return self.drop(self.conv(self.nearest(x)))
