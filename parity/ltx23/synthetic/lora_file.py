"""What a synthetic LoRA file is made from."""

from dataclasses import dataclass

import torch

from ltx_port.checkpoint.config import CheckpointConfig
from parity.errors import BadInputError
from parity.ltx23.synthetic.components import checkpoint_shapes
from parity.ltx23.synthetic.components.lora import lora_rows
from parity.ltx23.synthetic.heavy import Profile
from parity.ltx23.synthetic.recipe import Shape
from parity.ltx23.synthetic.spec import require_writable, written_by

_IN_CHECKPOINT = "model.diffusion_model."


@dataclass(frozen=True)
class LoraSpec:
    """All that decides the bytes of a synthetic LoRA file for the transformer of `config`.

    `layers` are names without prefix, such as `transformer_blocks.0.attn1.to_q`. Files that are used together need
    different seeds.
    """

    config: CheckpointConfig
    layers: tuple[str, ...]
    rank: int
    seed: int
    dtype: torch.dtype = torch.bfloat16
    profile: Profile = Profile.ALIVE
    prefix: str = "diffusion_model."

    def __post_init__(self) -> None:
        require_writable(self.dtype)

    def shapes(self) -> dict[str, Shape]:
        """Give every key of the file with its shape; BadInputError for a layer that the transformer does not have."""
        weights = checkpoint_shapes(self.config, ("transformer",))
        found: dict[str, Shape] = {}
        for layer in self.layers:
            key = f"{_IN_CHECKPOINT}{layer}.weight"
            if len(weights.get(key, ())) != 2:
                raise BadInputError("synthetic LoRA", f"no layer {layer!r}", "one with a matrix", "name another")
            found.update(lora_rows(self.prefix + layer, weights[key], self.rank))
        return found

    def metadata(self) -> dict[str, str]:
        """Give the metadata: real files have none that matters."""
        return {"synthetic": written_by(self, rank=self.rank)}
