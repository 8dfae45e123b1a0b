"""One pass of the text stage, in neutral terms that every implementation's adapter understands."""

from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor


class Part(Enum):
    """How much of the stage is loaded and run; the first two end in the context of both streams."""

    ENCODER = "encoder"
    EMBEDDINGS = "embeddings"
    FEATURES = "features"
    VIDEO = "video"
    AUDIO = "audio"

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams whose connectors run."""
        return {Part.FEATURES: (), Part.VIDEO: ("video",), Part.AUDIO: ("audio",)}.get(self, ("video", "audio"))


@dataclass(frozen=True)
class TextPass:
    """One call: `prompts` for the whole encoder, else states with the mask of the tokenizer.

    `states` are hidden states [layers, batch, tokens, width], or for a connector alone features
    [batch, tokens, width]; `mask` is int64 [batch, tokens], 1 for text.
    """

    name: str
    part: Part
    prompts: tuple[str, ...] = ()
    states: Tensor | None = None
    mask: Tensor | None = None

    def to(self, dtype: torch.dtype) -> "TextPass":
        """Give the pass in another working precision."""
        return replace(self, states=None if self.states is None else self.states.to(dtype))

    def on(self, device: torch.device) -> "TextPass":
        """Give the pass with its tensors on a device."""
        states = None if self.states is None else self.states.to(device)
        return replace(self, states=states, mask=None if self.mask is None else self.mask.to(device))

    def tensors(self) -> dict[str, Tensor]:
        """Give every input by name, for hashing; a prompt as its bytes."""
        found = {
            f"{self.name}.{name}": x for name, x in (("states", self.states), ("mask", self.mask)) if x is not None
        }
        for index, prompt in enumerate(self.prompts):
            found[f"{self.name}.prompt{index}"] = torch.tensor(list(prompt.encode()), dtype=torch.uint8)
        return found

    def given(self) -> tuple[Tensor, Tensor]:
        """Give (states, mask) of a pass that has them."""
        assert self.states is not None, f"{self.name} is given prompts"
        assert self.mask is not None, f"{self.name} is given prompts"
        return self.states, self.mask

    @property
    def together(self) -> bool:
        """Whether Gemma reads several prompts at once."""
        return len(self.prompts) > 1
