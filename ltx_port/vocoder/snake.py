"""The periodic activation, computed at twice the rate so that its harmonics do not fold back."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.vocoder.resample import Downsample, Upsample

_EPS = 1e-9


class SnakeBeta(nn.Module):
    """`x + sin(a x)^2 / b`, with one `a` and one `b` for each channel, stored as their logarithms."""

    def __init__(self, channels: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        """Activate each channel by its own frequency and strength."""
        frequency = torch.exp(self.alpha[None, :, None])
        strength = torch.exp(self.beta[None, :, None])
        return x + (1.0 / (strength + _EPS)) * torch.sin(x * frequency).pow(2)


class AntiAliasedSnake(nn.Module):
    """Twice the rate, activate, back to the rate."""

    def __init__(self, channels: int):
        super().__init__()
        self.upsample = Upsample()
        self.snake = SnakeBeta(channels)
        self.downsample = Downsample()

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        """Activate; the number of samples stays."""
        return self.downsample(self.snake(self.upsample(x)))
