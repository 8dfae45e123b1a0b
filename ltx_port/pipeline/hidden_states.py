"""Hidden states of prompts that Gemma computed elsewhere, in a safetensors file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.errors import InputError
from ltx_port.mp4.publish import published, system_errors
from ltx_port.text import PromptStates
from ltx_port.text.connector import REGISTERS
from ltx_port.text.load import flat_width

PROMPT, NEGATIVE = "prompt", "negative"
_ROLES = (PROMPT, NEGATIVE)


class HiddenStatesFile(TensorFile):
    """`prompt.states` [layers + 1, tokens, hidden] and `prompt.mask` [tokens] (1: text); likewise `negative.`.

    Opening it raises InputError for any other tensor, and for shapes that do not fit each other.
    """

    right_file = "write it with ltx-generate --save-hidden-states"

    def __init__(self, path: Path, handle: Any, metadata: Mapping[str, str], identity: tuple[int, int, int, int]):
        super().__init__(path, handle, metadata, identity)
        known = {f"{role}.{part}" for role in _ROLES for part in ("states", "mask")}
        unknown = sorted(set(self.keys()) - known)
        if unknown:
            raise InputError(f"{path}: {unknown[0]}", "unknown tensor", f"some of {sorted(known)}", self.right_file)
        self.roles = tuple(role for role in _ROLES if f"{role}.states" in self.keys() or f"{role}.mask" in self.keys())
        for role in self.roles:
            self._check(role)

    def require(self, negative: bool) -> None:
        """Refuse a file that lacks a prompt that is needed."""
        for role in _ROLES if negative else (PROMPT,):
            if role not in self.roles:
                expected = f"{role}.states and {role}.mask"
                raise InputError(str(self.path), f"nothing for the {role} prompt", expected, self.right_file)

    def require_fits(self, checkpoint: CheckpointFile) -> None:
        """Refuse hidden states that a checkpoint's text projection was not trained for."""
        flat = flat_width(checkpoint)
        for role in self.roles:
            layers, _, hidden = self.shape(f"{role}.states")
            if layers * hidden != flat:
                got = f"{layers} states of width {hidden}"
                expected = f"{flat} channels in all, as the projection of {checkpoint.path} has"
                raise InputError(
                    f"{self.path}: {role}.states", got, expected, "use the Gemma that LTX-2.3 was made for"
                )

    def read_prompts(self, roles: Sequence[str], device: torch.device, dtype: torch.dtype) -> list[PromptStates]:
        """Give the states of prompts on `device` in `dtype`; InputError where text has a state that is not finite."""
        return [self._read(role, device, dtype) for role in roles]

    def _read(self, role: str, device: torch.device, dtype: torch.dtype) -> PromptStates:
        states = self.read(f"{role}.states", device, dtype)
        mask = self.read(f"{role}.mask", device).to(torch.int64)
        if not torch.isfinite(states[:, mask.bool()]).all():
            raise InputError(f"{self.path}: {role}.states", "NaN or infinity", "finite states of text", self.right_file)
        return PromptStates(tuple(states.unsqueeze(1)), mask.unsqueeze(0))

    def _check(self, role: str) -> None:
        states, mask = self.shape(f"{role}.states"), self.shape(f"{role}.mask")
        if len(states) != 3 or mask != states[1:2] or not states[0] or states[1] % REGISTERS or not states[1]:
            got = f"states {list(states)}, mask {list(mask)}"
            expected = f"[layers + 1, tokens, hidden] and [tokens], tokens a multiple of {REGISTERS}"
            raise InputError(f"{self.path}: {role}", got, expected, self.right_file)
        values = self.read(f"{role}.mask", "cpu")
        if not ((values == 0) | (values == 1)).all() or not values.any():
            raise InputError(f"{self.path}: {role}.mask", "other values", "1 for text, 0 for padding", self.right_file)


def save_hidden_states(path: Path, prompts: Mapping[str, PromptStates]) -> None:
    """Write the states of prompts by role, whole or not at all; InputError where the file cannot be written."""
    tensors = {f"{role}.states": torch.cat(prompt.states).cpu() for role, prompt in prompts.items()}
    tensors |= {f"{role}.mask": prompt.mask[0].to(torch.float32).cpu() for role, prompt in prompts.items()}
    with published(path) as partial, system_errors(path):
        try:
            save_file(tensors, partial)
        except SafetensorError as error:
            # A full disk is told in this way too.
            raise OSError(" ".join(str(error).split())) from None
