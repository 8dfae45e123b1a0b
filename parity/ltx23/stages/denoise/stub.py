"""What stands in for the transformer where the arithmetic around it is proven.

It is part of the case, not of an implementation: both sides call this one. Everything that a model is told reaches
its x0, so that a wrong context, noise level, mask or skipped block shows. It takes only operations that round alike on
every machine, each element for itself, so that a batch gives what its samples give alone.
"""

from typing import Any

import torch
from torch import Tensor, nn

BLOCKS = 30
SKIPPABLE = 4


class StubModel(nn.Module):
    """Gives x0 of both streams.

    `skips` is 1 where a sample skips an attention (self of video and audio, audio to video, video to audio) in a block.
    """

    def forward(self, video: Any, audio: Any, skips: Tensor) -> tuple[Tensor, Tensor]:
        """Take two modalities, by the attributes that all implementations' have."""
        told = (skips.to(torch.float32) * _weights(skips.shape[1:], skips.device)).sum(dim=(1, 2)).view(-1, 1, 1)
        return _x0(video, audio, told), _x0(audio, video, told)


def _weights(shape: torch.Size, device: torch.device) -> Tensor:
    """Give each attention in each block another weight, of few bits: their sum is exact in any order."""
    kinds = torch.arange(shape[0], dtype=torch.float32, device=device).view(-1, 1)
    blocks = torch.arange(shape[1], dtype=torch.float32, device=device)
    return ((kinds * 5 + blocks * 3) % 11 + 1) / 32


def _x0(own: Any, other: Any, told: Tensor) -> Tensor:
    channels = own.latent.shape[2]
    heard = other.latent[:, :1, :1].float() + other.context[:, 1:2, :1].float()
    x = own.latent.float() * 0.875 + own.context[:, :1, :channels].float() + heard * 0.25
    x = x + own.timesteps.float() * 0.5 + other.sigma.float().view(-1, 1, 1) * 0.375 + told
    x = x + own.positions.float().sum(dim=(1, 3)).unsqueeze(-1) * 0.125 + (0.0 if own.enabled else 0.5)
    # A bend, so that a wrong input is not made good by another; division rounds alike everywhere.
    return (1.75 * x / (1 + x.abs())).to(own.latent.dtype)
