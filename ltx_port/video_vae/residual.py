"""Residual blocks: twice norm, activation and convolution, added to what came in."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.video_vae.convolution import FrameConv3d

PIXEL_NORM_EPS = 1e-8
"""Of every norm here: the official class's default, which no key of the configuration changes."""


class PixelNorm(nn.Module):
    """Divides each position by the root mean square of its channels."""

    def __init__(self, eps: float = PIXEL_NORM_EPS):
        super().__init__()
        self.eps = eps

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give the normed values; squares, mean and root are rounded to the working dtype one by one."""
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + self.eps)


class AddResidual(nn.Module):
    """Adds what a branch gives to what went into it."""

    def forward(
        self,
        x: Float[Tensor, "batch channels frames height width"],
        branch: Float[Tensor, "batch channels frames height width"],
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give the sum."""
        return x + branch


class Arrange(nn.Module):
    """Lays values out in memory: nothing changes but which kernels run next, and so the order of their sums.

    `room` is the number of channels that each position has space for, where that is more than it has: vector
    instructions then end at each position, and the last channels are computed one by one.
    """

    def __init__(self, channels_last: bool, room: int = 0):
        super().__init__()
        self.channels_last, self.room = channels_last, room

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give the same values; where not `channels_last`, the same tensor."""
        if not self.channels_last:
            return x
        channels = x.shape[1]
        if channels >= self.room:
            return x.contiguous(memory_format=torch.channels_last_3d)
        shape = (x.shape[0], self.room, *x.shape[2:])
        wider = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last_3d)
        return wider[:, :channels].copy_(x)


class ResidualBlock(nn.Module):
    """One block; it keeps its channels."""

    def __init__(self, channels: int, causal: bool, channels_last: bool = False):
        super().__init__()
        self.arrange1 = Arrange(channels_last)
        self.norm1 = PixelNorm()
        self.activation1 = nn.SiLU()
        self.conv1 = FrameConv3d(channels, channels, causal)
        self.arrange2 = Arrange(channels_last)
        self.norm2 = PixelNorm()
        self.activation2 = nn.SiLU()
        self.conv2 = FrameConv3d(channels, channels, causal)
        self.residual = AddResidual()

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give `x` plus the branch."""
        branch = self.conv1(self.activation1(self.norm1(self.arrange1(x))))
        return self.residual(x, self.conv2(self.activation2(self.norm2(self.arrange2(branch)))))


class ResidualStack(nn.Module):
    """Residual blocks in a row: a `res_x` entry of the configuration."""

    def __init__(self, channels: int, depth: int, causal: bool, channels_last: bool = False):
        super().__init__()
        self.layers = nn.ModuleList(ResidualBlock(channels, causal, channels_last) for _ in range(depth))

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Run the blocks."""
        for layer in self.layers:
            x = layer(x)
        return x

    def convolutions(self) -> Iterator[tuple[str, str]]:
        """Give (path here, path in the official stack) of each convolution with weights."""
        for index in range(len(self.layers)):
            for name in ("conv1", "conv2"):
                yield f"layers.{index}.{name}.conv", f"res_blocks.{index}.{name}.conv"
