"""The residual block that both halves of the autoencoder are made of."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.audio_vae.convolution import CausalConv

PIXEL_NORM_EPS = 1e-6


class PixelNorm(nn.Module):
    """Divides each place of [time, mel] by the root mean square of its channels; has no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.eps = PIXEL_NORM_EPS

    def forward(self, x: Float[Tensor, "batch channels frames bins"]) -> Float[Tensor, "batch channels frames bins"]:
        """Normalise, every step rounded to the working dtype as in the reference (no float32 inside)."""
        mean_square = torch.mean(x**2, dim=1, keepdim=True)
        # A division by the root: a multiplication by rsqrt would round differently.
        return x / torch.sqrt(mean_square + self.eps)


class Residual(nn.Module):
    """Adds what a block computed to what it received."""

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"], update: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch channels frames bins"]:
        """Add."""
        return x + update


class ResidualBlock(nn.Module):
    """Twice norm, SiLU and causal convolution, around which the input goes, through a 1x1 convolution if it widens."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.norm_in = PixelNorm()
        self.activation_in = nn.SiLU()
        self.conv_in = CausalConv(in_channels, out_channels)
        self.norm_out = PixelNorm()
        self.activation_out = nn.SiLU()
        self.conv_out = CausalConv(out_channels, out_channels)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None
        self.residual = Residual()

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch out_channels frames bins"]:
        """Refine the features; the size in time and mel stays."""
        update = self.conv_in(self.activation_in(self.norm_in(x)))
        update = self.conv_out(self.activation_out(self.norm_out(update)))
        return self.residual(x if self.shortcut is None else self.shortcut(x), update)
