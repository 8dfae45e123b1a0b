"""From prompts to token ids, padded in front to one length."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.release import Release
from ltx_port.text.library_refusals import library_refusals, require_object
from ltx_port.text.transformers_import import transformers_importable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SETTINGS = "tokenizer_config.json"
PROMPT_TOKENS = 1024
"""The length that LTX-2.3 was trained with; longer prompts lose their end."""


class PromptTokens(NamedTuple):
    """Token ids of prompts, and which of them are not padding (1) but text."""

    ids: Int[Tensor, "batch text_tokens"]
    mask: Int[Tensor, "batch text_tokens"]


class PromptTokenizer(nn.Module):
    """Strips prompts, cuts them to `length` tokens and fills shorter ones up in front.

    InputError, which names the `path` of the tokenizer's file, for a prompt over which the library fails or that it
    does not cut: over some files it does so only when certain text comes.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", length: int, release: Release, path: Path):
        super().__init__()
        self.tokenizer, self.length, self.path = tokenizer, length, path
        self.ensures_start = release.prompt_start_ensured

    def forward(self, prompts: Sequence[str], device: torch.device) -> PromptTokens:
        """Tokenize on the host; ids and mask are int64 on `device`."""
        rows = [self._row(prompt) for prompt in prompts]
        missing = [self.length - len(row) for row in rows]
        pad = self._special("pad_token_id", "eos_token_id")
        ids = [[pad] * count + row for count, row in zip(missing, rows, strict=True)]
        mask = [[0] * count + [1] * len(row) for count, row in zip(missing, rows, strict=True)]
        return PromptTokens(torch.tensor(ids, device=device), torch.tensor(mask, device=device))

    def _row(self, prompt: str) -> list[int]:
        with library_refusals(self.path):
            row = list(self.tokenizer(prompt.strip(), truncation=True, max_length=self.length)["input_ids"])
        if len(row) > self.length:
            got = f"{len(row)} tokens of a prompt that is to be cut"
            raise InputError(str(self.path), got, f"at most {self.length}", "use the tokenizer of Gemma 3")
        if self.ensures_start:
            start = self._special("bos_token_id")
            if row[:1] != [start]:
                # Put in front after the cut, which may cost the prompt its last token.
                row = [start, *row][: self.length]
        return row

    def _special(self, *names: str) -> int:
        found = next((value for name in names if (value := getattr(self.tokenizer, name)) is not None), None)
        if found is None:
            raise InputError("tokenizer", f"no {names[0]}", "a Gemma tokenizer", "use the tokenizer of Gemma 3")
        return int(found)


def load_tokenizer(root: Path, release: Release, length: int = PROMPT_TOKENS) -> PromptTokenizer:
    """Give the tokenizer of a Gemma root folder; InputError where there is none."""
    if not (root / "tokenizer.json").is_file():
        raise InputError(str(root), "no tokenizer.json", "the folder of a Gemma 3 model", "give Gemma's root folder")
    # Imported here: transformers takes seconds, and precomputed hidden states need none of it.
    with transformers_importable():
        from transformers import AutoTokenizer

    if (root / _SETTINGS).is_file():
        require_object(root / _SETTINGS)
    path = root / "tokenizer.json"
    with library_refusals(path):
        # Code that a folder brings along is never run, nor is anybody asked whether it may be.
        tokenizer = AutoTokenizer.from_pretrained(
            str(root), local_files_only=True, trust_remote_code=False, model_max_length=length
        )
        made = PromptTokenizer(tokenizer, length, release, path)
        # Some files are found out only when text comes: better now than after the weights have been loaded.
        made(["a"], torch.device("cpu"))
    return made
