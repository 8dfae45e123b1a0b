"""Per-channel statistics of the latent: the decoder undoes what the encoder ends with."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Normalize(nn.Module):
    """Takes a latent to mean 0 and deviation 1 per channel, as the transformer knows it."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.empty(channels))
        self.register_buffer("std", torch.empty(channels))

    def forward(
        self, latent: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give `(latent - mean) / std`, each operation rounded to the latent's dtype."""
        return (latent - _per_channel(self.mean, latent)) / _per_channel(self.std, latent)


class Unnormalize(nn.Module):
    """Takes a normalised latent back to the scale that the decoder was trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.empty(channels))
        self.register_buffer("std", torch.empty(channels))

    def forward(
        self, latent: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give `latent * std + mean`, each operation rounded to the latent's dtype."""
        return latent * _per_channel(self.std, latent) + _per_channel(self.mean, latent)


def _per_channel(statistic: Tensor, latent: Tensor) -> Tensor:
    return statistic.view(1, -1, 1, 1, 1).to(latent)
