"""From Gemma's hidden states to the context of both streams."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ltx_port.text.connector import Connector
from ltx_port.text.features import FeatureExtractor

_OPEN = 1e-6


class TextContext(NamedTuple):
    """What the transformer attends to; the mask is 1 everywhere, registers included, and is not passed on."""

    video: Float[Tensor, "batch text_tokens dim"]
    audio: Float[Tensor, "batch text_tokens audio_dim"]
    mask: Int[Tensor, "batch text_tokens"]


class OutputMask(nn.Module):
    """Says which tokens of the context count, and silences the others."""

    def forward(
        self, context: Float[Tensor, "batch text_tokens dim"], bias: Float[Tensor, "batch 1 1 text_tokens"]
    ) -> tuple[Float[Tensor, "batch text_tokens dim"], Int[Tensor, "batch text_tokens"]]:
        """Give (context, mask); a token counts where the bias on it is not above zero, so the most negative does."""
        mask = (bias < _OPEN).to(torch.int64)[:, 0, 0]
        return context * mask.unsqueeze(-1), mask


class TextEmbeddings(nn.Module):
    """The feature extractor and the connectors of both streams."""

    def __init__(self, features: FeatureExtractor, video: Connector, audio: Connector):
        super().__init__()
        self.features = features
        self.video = video
        self.output_mask = OutputMask()
        self.audio = audio

    def forward(
        self,
        hidden_states: Sequence[Float[Tensor, "batch text_tokens hidden"]],
        mask: Int[Tensor, "batch text_tokens"],
    ) -> TextContext:
        """Give the context of prompts from all hidden states of Gemma and the mask of the tokenizer.

        InputError for a length that is not a multiple of 128, or several prompts under release 1.0.0.
        """
        features = self.features(hidden_states, mask)
        video, counts = self.output_mask(*self.video(features.video, mask))
        # The audio context is not masked: the mask hides nothing.
        audio, _ = self.audio(features.audio, mask)
        return TextContext(video=video, audio=audio, mask=counts)
