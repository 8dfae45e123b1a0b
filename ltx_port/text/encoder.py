"""The whole text stage: prompts in, context out."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ltx_port.release import Release
from ltx_port.text.embeddings import TextContext, TextEmbeddings
from ltx_port.text.gemma import GemmaStates
from ltx_port.text.tokenizer import PromptTokenizer


class PromptStates(NamedTuple):
    """What Gemma makes of one prompt: all of its hidden states, and which tokens are text (1)."""

    states: tuple[Float[Tensor, "1 text_tokens hidden"], ...]
    mask: Int[Tensor, "1 text_tokens"]


def read_prompts(
    tokenizer: PromptTokenizer, gemma: GemmaStates, prompts: Sequence[str], batched: bool, device: torch.device
) -> list[PromptStates]:
    """Give the hidden states of each prompt; Gemma reads all in one batch where `batched`, else one by one."""
    groups = [list(prompts)] if batched else [[prompt] for prompt in prompts]
    found = []
    for group in groups:
        tokens = tokenizer(group, device)
        states = gemma(tokens.ids, tokens.mask)
        rows = [slice(row, row + 1) for row in range(len(group))]
        found += [PromptStates(tuple(state[row] for state in states), tokens.mask[row]) for row in rows]
    return found


class TextEncoder(nn.Module):
    """Tokenizer, Gemma and text embeddings in a row."""

    def __init__(self, tokenizer: PromptTokenizer, gemma: GemmaStates, embeddings: TextEmbeddings, release: Release):
        super().__init__()
        self.tokenizer = tokenizer
        self.gemma = gemma
        self.embeddings = embeddings
        self.batched = release.prompts_batched

    def forward(self, prompts: Sequence[str]) -> list[TextContext]:
        """Give the context of each prompt, batch 1.

        Gemma reads all prompts in one batch or one after the other, as the release does: a batch rounds otherwise.
        One prompt at a time from there on, in every release.
        """
        device = next(self.embeddings.parameters()).device
        read = read_prompts(self.tokenizer, self.gemma, prompts, self.batched, device)
        return [self.embeddings(*prompt) for prompt in read]
