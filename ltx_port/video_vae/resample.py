"""Halving and doubling: a convolution, and pixels or frames moved into channels or out of them."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.video_vae.convolution import FrameConv3d
from ltx_port.video_vae.residual import AddResidual, Arrange

Stride = tuple[int, int, int]
"""By how much frames, rows and columns shrink or grow: 1 or 2 each."""


class Fold(nn.Module):
    """Moves each box of `stride` positions into channels, `(channel, frame, row, column)` with the column fastest."""

    def __init__(self, stride: Stride):
        super().__init__()
        self.stride = stride

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch folded_channels less_frames less_height less_width"]:
        """Give the shorter, smaller clip with more channels."""
        frames, rows, columns = self.stride
        boxes = x.unflatten(4, (-1, columns)).unflatten(3, (-1, rows)).unflatten(2, (-1, frames))
        return boxes.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


class Unfold(nn.Module):
    """Moves channels into boxes of `stride` positions: the inverse of `Fold`."""

    def __init__(self, stride: Stride):
        super().__init__()
        self.stride = stride

    def forward(
        self, x: Float[Tensor, "batch folded_channels frames height width"]
    ) -> Float[Tensor, "batch channels more_frames more_height more_width"]:
        """Give the longer, larger clip with fewer channels."""
        boxes = x.unflatten(1, (-1, *self.stride))
        return boxes.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)


class DoubleFirstFrame(nn.Module):
    """Puts the first frame in front once more, so that a clip of 2k+1 frames can be halved."""

    def __init__(self, halves_time: bool):
        super().__init__()
        self.halves_time = halves_time

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels even_frames height width"]:
        """Give the longer clip; the same one where time is not halved."""
        return torch.cat([x[:, :, :1], x], dim=2) if self.halves_time else x


class DropFirstFrame(nn.Module):
    """Drops the first frame of a clip that was doubled in time: what the encoder had put there."""

    def __init__(self, doubles_time: bool):
        super().__init__()
        self.doubles_time = doubles_time

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels kept_frames height width"]:
        """Give the shorter clip; the same one where time was not doubled."""
        return x[:, :, 1:] if self.doubles_time else x


class AverageGroups(nn.Module):
    """Averages each `size` consecutive channels: the way around the convolution of a halving."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(
        self, x: Float[Tensor, "batch folded_channels frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give the means."""
        return x.unflatten(1, (-1, self.size)).mean(dim=2)


class Downsample(nn.Module):
    """A `compress_*_res` entry of the encoder: `multiplier` times the channels, `stride` times smaller."""

    def __init__(self, channels: int, stride: Stride, multiplier: int):
        super().__init__()
        box, self.out_channels = math.prod(stride), channels * multiplier
        self.double_first = DoubleFirstFrame(stride[0] == 2)
        self.fold_skip = Fold(stride)
        self.skip = AverageGroups(channels * box // self.out_channels)
        self.conv = FrameConv3d(channels, self.out_channels // box, causal=True)
        self.fold = Fold(stride)
        self.residual = AddResidual()

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch out_channels less_frames less_height less_width"]:
        """Give the smaller clip."""
        x = self.double_first(x)
        return self.residual(self.fold(self.conv(x)), self.skip(self.fold_skip(x)))

    def convolutions(self) -> Iterator[tuple[str, str]]:
        """Give (path here, path in the official block) of the convolution."""
        yield "conv.conv", "conv.conv"


class Upsample(nn.Module):
    """A `compress_*` entry of the decoder: channels divided by `multiplier`, `stride` times larger. No residual."""

    def __init__(self, channels: int, stride: Stride, multiplier: int, channels_last: bool = False):
        super().__init__()
        self.out_channels = channels // multiplier
        self.arrange = Arrange(channels_last)
        self.conv = FrameConv3d(channels, math.prod(stride) * channels // multiplier, causal=False)
        self.unfold = Unfold(stride)
        self.drop_first = DropFirstFrame(stride[0] == 2)

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch out_channels more_frames more_height more_width"]:
        """Give the larger clip."""
        return self.drop_first(self.unfold(self.conv(self.arrange(x))))

    def convolutions(self) -> Iterator[tuple[str, str]]:
        """Give (path here, path in the official block) of the convolution."""
        yield "conv.conv", "conv.conv"
