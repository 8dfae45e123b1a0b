"""The scale of the latent: statistics of each of its channels, taken over latent channel and mel bin together."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Patchify(nn.Module):
    """Makes one token of each latent frame: token channel = latent channel * bins + bin."""

    def forward(self, latent: Float[Tensor, "batch channels frames bins"]) -> Float[Tensor, "batch frames token_dim"]:
        """Give the tokens."""
        return latent.transpose(1, 2).flatten(2)


class Unpatchify(nn.Module):
    """Takes the tokens apart again, into `channels` latent channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, tokens: Float[Tensor, "batch frames token_dim"]) -> Float[Tensor, "batch channels frames bins"]:
        """Give the latent, as a view of the tokens."""
        return tokens.unflatten(2, (self.channels, -1)).transpose(1, 2)


class ChannelStatistics(nn.Module):
    """Mean and deviation of each token channel over the training data, from the checkpoint."""

    mean: Tensor
    std: Tensor

    def __init__(self, token_dim: int):
        super().__init__()
        self.register_buffer("mean", torch.empty(token_dim))
        self.register_buffer("std", torch.empty(token_dim))


class Normalize(ChannelStatistics):
    """To the scale that the transformer works in: mean 0 and deviation 1."""

    def forward(self, tokens: Float[Tensor, "batch frames token_dim"]) -> Float[Tensor, "batch frames token_dim"]:
        """Give the normalised tokens."""
        return (tokens - self.mean) / self.std


class Unnormalize(ChannelStatistics):
    """Back to the scale of the autoencoder."""

    def forward(self, tokens: Float[Tensor, "batch frames token_dim"]) -> Float[Tensor, "batch frames token_dim"]:
        """Give the tokens with their own mean and deviation."""
        return tokens * self.std + self.mean
