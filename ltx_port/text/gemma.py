"""The language model of Gemma 3, as `transformers` computes it, giving the states between all of its layers."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.text.transformers_import import transformers_importable

if TYPE_CHECKING:
    from transformers import Gemma3TextConfig, Gemma3TextModel

PREFIX = "language_model.model."
"""Where a Gemma 3 root keeps its language model; vision tower and projector beside it are not read."""

_GEMMA_ROOT = "give the root folder of Gemma 3 as published, with its config.json and model*.safetensors"


class GemmaStates(nn.Module):
    """Runs the language model without its output layer."""

    def __init__(self, model: "Gemma3TextModel"):
        super().__init__()
        self.model = model

    def forward(
        self, ids: Int[Tensor, "batch text_tokens"], mask: Int[Tensor, "batch text_tokens"]
    ) -> tuple[Float[Tensor, "batch text_tokens hidden"], ...]:
        """Give one more state than there are layers: the scaled embedding first, the last one after the final norm."""
        # Nothing is generated: a cache of keys and values would only cost memory.
        output = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        return tuple(output.hidden_states)


def load_gemma(root: Path, device: torch.device, dtype: torch.dtype) -> GemmaStates:
    """Give the language model of a Gemma 3 root folder, its weights rounded to `dtype`.

    InputError where the folder is not one, or its weights are not exactly those that its config.json asks for.
    """
    config = _text_config(root)
    # Imported here: transformers takes seconds, and precomputed hidden states need none of it.
    with transformers_importable():
        from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding, Gemma3TextModel

    with torch.device("meta"):
        # Any: its decorated methods do not type-check.
        model: Any = Gemma3TextModel(config)
    # Buffers that no file has. They stay float32 whatever the weights are rounded to, as the official loader leaves
    # them; where they meet the tokens, transformers casts what it has computed from them.
    model.rotary_emb = Gemma3RotaryEmbedding(config)
    model.embed_tokens.embed_scale = torch.tensor(config.hidden_size**0.5)
    weights = dict(_weights(root, device, dtype))
    _require_same(root, model, weights)
    model.load_state_dict(weights, strict=True, assign=True)
    return GemmaStates(model.to(device).eval().requires_grad_(False))


def _text_config(root: Path) -> "Gemma3TextConfig":
    if not (root / "config.json").is_file():
        raise InputError(str(root), "no config.json", "the folder of a Gemma 3 model", _GEMMA_ROOT)
    with transformers_importable():
        from transformers import Gemma3Config

    values, _ = Gemma3Config.get_config_dict(str(root), local_files_only=True)
    if values.get("model_type") != "gemma3":
        got = f"model_type {values.get('model_type')!r}"
        raise InputError(f"{root}: config.json", got, "'gemma3', the model that LTX-2.3 was trained with", _GEMMA_ROOT)
    config: Any = Gemma3Config.from_dict(values).text_config
    return config


def _weights(root: Path, device: torch.device, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    shards = sorted(root.glob("model*.safetensors"))
    if not shards:
        raise InputError(str(root), "no model*.safetensors", "the weights of Gemma 3", _GEMMA_ROOT)
    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as opened:
                for key in opened.keys():  # noqa: SIM118  (not a mapping)
                    if key.startswith(PREFIX):
                        yield key.removeprefix(PREFIX), opened.get_tensor(key).to(device=device, dtype=dtype)
        except (SafetensorError, OSError) as error:
            got = " ".join(str(error).split())
            raise InputError(str(shard), got, "a whole safetensors file", "fetch the file again") from None


def _require_same(root: Path, model: nn.Module, weights: dict[str, Tensor]) -> None:
    asked = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = sorted(name for name in asked.keys() | found.keys() if asked.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise InputError(
            f"{root}: {PREFIX}{name}",
            f"{found.get(name, 'missing')} ({len(wrong)} such tensors)",
            f"{asked.get(name, 'no such tensor')} from its config.json",
            _GEMMA_ROOT,
        )
