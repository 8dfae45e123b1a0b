"""Convolutions over [time, mel] that look at the past only: all padding in time goes in front."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

KERNEL = 3


class ZeroPad(nn.Module):
    """Adds zeros: `time` are frames (in front, behind), `mel` are bins (below, above)."""

    def __init__(self, time: tuple[int, int], mel: tuple[int, int]):
        super().__init__()
        self.time, self.mel = time, mel

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch channels padded_frames padded_bins"]:
        """Pad with zeros."""
        return F.pad(x, (*self.mel, *self.time))


class CausalConv(nn.Module):
    """A 3x3 convolution that keeps the size: causal in time, centred in mel."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.pad = ZeroPad(time=(KERNEL - 1, 0), mel=(1, 1))
        self.conv = nn.Conv2d(in_channels, out_channels, KERNEL)

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch out_channels frames bins"]:
        """Convolve; frame t of the output has seen frames t-2 to t."""
        return self.conv(self.pad(x))
