"""The whole text stage: prompts in, context out."""

from collections.abc import Sequence

from torch import nn

from ltx_port.release import Release
from ltx_port.text.embeddings import TextContext, TextEmbeddings
from ltx_port.text.gemma import GemmaStates
from ltx_port.text.tokenizer import PromptTokenizer


class TextEncoder(nn.Module):
    """Tokenizer, Gemma and text embeddings in a row."""

    def __init__(self, tokenizer: PromptTokenizer, gemma: GemmaStates, embeddings: TextEmbeddings, release: Release):
        super().__init__()
        self.tokenizer = tokenizer
        self.gemma = gemma
        self.embeddings = embeddings
        self.batches = release.prompts_batched

    def forward(self, prompts: Sequence[str]) -> list[TextContext]:
        """Give the context of each prompt, batch 1.

        Gemma reads all prompts in one batch or one after the other, as the release does: a batch rounds otherwise.
        """
        groups = [list(prompts)] if self.batches else [[prompt] for prompt in prompts]
        return [context for group in groups for context in self._encoded(group)]

    def _encoded(self, prompts: list[str]) -> list[TextContext]:
        device = next(self.embeddings.parameters()).device
        tokens = self.tokenizer(prompts, device)
        states = self.gemma(tokens.ids, tokens.mask)
        # One prompt at a time from here on, in every release.
        return [
            self.embeddings(tuple(state[row : row + 1] for state in states), tokens.mask[row : row + 1])
            for row in range(len(prompts))
        ]
