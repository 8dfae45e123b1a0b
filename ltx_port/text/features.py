"""Text features: all of Gemma's hidden states of a token, normed one by one and projected to each stream's width."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ltx_port.errors import InputError

_EPS = 1e-6


class TextFeatures(NamedTuple):
    """The text in the width of each stream."""

    video: Float[Tensor, "batch text_tokens dim"]
    audio: Float[Tensor, "batch text_tokens audio_dim"]


class StackLayers(nn.Module):
    """Puts the hidden states side by side, the layer running fastest."""

    def forward(
        self, hidden_states: Sequence[Float[Tensor, "batch text_tokens hidden"]]
    ) -> Float[Tensor, "batch text_tokens hidden layers"]:
        """Stack in the order of the layers, the embedding first."""
        return torch.stack(tuple(hidden_states), dim=-1)


class NormedLayers(nn.Module):
    """Norms each token's state in each layer by its root mean square, and silences the padding."""

    def forward(
        self,
        stacked: Float[Tensor, "batch text_tokens hidden layers"],
        mask: Int[Tensor, "batch text_tokens"],
    ) -> Float[Tensor, "batch text_tokens flat"]:
        """Give channel-major rows (layer fastest); the mean square is taken in the dtype of the states."""
        mean_square = torch.mean(stacked**2, dim=2, keepdim=True)
        normed = (stacked * torch.rsqrt(mean_square + _EPS)).flatten(2)
        # Chosen, not multiplied: what padding holds may be anything, even NaN.
        return torch.where(mask.bool().unsqueeze(-1), normed, torch.zeros_like(normed))


class Rescale(nn.Module):
    """Scales by the square root of the ratio of the widths, before the projection to `dim` channels."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(
        self, x: Float[Tensor, "batch text_tokens flat"], hidden: int
    ) -> Float[Tensor, "batch text_tokens flat"]:
        """Scale by sqrt(dim / hidden); `hidden` is the width of one hidden state."""
        return x * math.sqrt(self.dim / hidden)


class FeatureExtractor(nn.Module):
    """From Gemma's hidden states to the features of both streams.

    `flat_dim` is the width of a hidden state times the number of states. Neither is in the checkpoint's
    configuration: the product is read from the weights' shape, and the width from the hidden states themselves.
    """

    def __init__(self, flat_dim: int, dim: int, audio_dim: int):
        super().__init__()
        self.flat_dim = flat_dim
        self.stack = StackLayers()
        self.norm = NormedLayers()
        self.video_scale = Rescale(dim)
        self.video = nn.Linear(flat_dim, dim)
        self.audio_scale = Rescale(audio_dim)
        self.audio = nn.Linear(flat_dim, audio_dim)

    def forward(
        self,
        hidden_states: Sequence[Float[Tensor, "batch text_tokens hidden"]],
        mask: Int[Tensor, "batch text_tokens"],
    ) -> TextFeatures:
        """Give the features; InputError where the hidden states are not those of the model it was trained with."""
        hidden = hidden_states[0].shape[-1]
        if hidden * len(hidden_states) != self.flat_dim:
            raise InputError(
                "hidden states",
                f"{len(hidden_states)} of width {hidden}",
                f"{self.flat_dim} channels in all, as the projection's weights have",
                "use the Gemma model that the checkpoint was trained with, all layers and its embedding",
            )
        normed = self.norm(self.stack(hidden_states), mask)
        return TextFeatures(
            video=self.video(self.video_scale(normed, hidden)),
            audio=self.audio(self.audio_scale(normed, hidden)),
        )
