"""The language model of Gemma 3, as `transformers` computes it, giving the states between all of its layers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ltx_port.checkpoint.strict import Part, load_strictly
from ltx_port.errors import InputError
from ltx_port.offload import stream_layers
from ltx_port.text.gemma_weights import GEMMA_ROOT, GemmaWeights
from ltx_port.text.library_refusals import library_refusals, require_object
from ltx_port.text.transformers_import import transformers_importable

if TYPE_CHECKING:
    from transformers import Gemma3TextConfig, Gemma3TextModel

PREFIX = "language_model.model."
"""Where a Gemma 3 root keeps its language model; vision tower and projector beside it are not read."""
_LAYERS = "layers."


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


def build_gemma(config: "Gemma3TextConfig") -> GemmaStates:
    """Give the language model without weights (on the meta device), in evaluation mode; it makes no buffers."""
    # Imported here: transformers takes seconds, and precomputed hidden states need none of it.
    with transformers_importable():
        from transformers.models.gemma3.modeling_gemma3 import Gemma3TextModel

    with torch.device("meta"):
        return GemmaStates(Gemma3TextModel(config)).eval()


def check_gemma_root(root: Path) -> None:
    """Refuse a folder that is no Gemma 3 root, as far as names and headers tell; takes no time, and no transformers."""
    for name in ("config.json", "tokenizer.json"):
        if not (root / name).is_file():
            raise InputError(str(root), f"no {name}", "the folder of a Gemma 3 model", GEMMA_ROOT)
    GemmaWeights(root)


def load_gemma(root: Path, device: torch.device, dtype: torch.dtype, offload_layers: bool = False) -> GemmaStates:
    """Give the language model of a Gemma 3 root folder, its weights rounded to `dtype`.

    `offload_layers` leaves the decoder layers' weights in host memory and streams them to the device, layer by layer.
    InputError where the folder is not one, or its weights are not exactly those that its config.json asks for, finite.
    """
    config, weights = _text_config(root), GemmaWeights(root)
    _require_layers(config.num_hidden_layers, root)
    with library_refusals(root / "config.json"):
        states = build_gemma(config)
    keys = {name: PREFIX + name for name in states.model.state_dict()}
    part = Part("Gemma", keys, (PREFIX,), right_file=GEMMA_ROOT)
    on_host = (_LAYERS,) if offload_layers else ()
    load_strictly(states.model, weights, part, device, dtype, on_host)
    give_buffers(states, config, device)
    if offload_layers:
        stream_layers(list(states.model.layers), device)
    return states


def give_buffers(states: nn.Module, config: "Gemma3TextConfig", device: torch.device) -> None:
    """Give a built model the buffers that no file has, on `device`.

    They stay float32 whatever the weights are rounded to, as the official loader leaves them; where they meet the
    tokens, transformers casts what it has computed from them.
    """
    with transformers_importable():
        from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding

    # Any: its decorated methods do not type-check.
    model: Any = states.model
    # On the host first, whose powers the official loader takes.
    model.rotary_emb = Gemma3RotaryEmbedding(config).to(device)
    model.embed_tokens.embed_scale = torch.tensor(config.hidden_size**0.5).to(device)


def _require_layers(told: object, root: Path) -> None:
    """Refuse a number of layers that the weights do not have, before a list of so many is made."""
    beginning = PREFIX + _LAYERS
    keys = [key.removeprefix(beginning) for key in GemmaWeights(root).keys() if key.startswith(beginning)]  # noqa: SIM118
    found = len({key.partition(".")[0] for key in keys})
    if told != found:
        got, expected = f"num_hidden_layers {told!r:.40}", f"{found}, as the weights have"
        raise InputError(f"{root}: config.json", got, expected, GEMMA_ROOT)


def _text_config(root: Path) -> "Gemma3TextConfig":
    if not (root / "config.json").is_file():
        raise InputError(str(root), "no config.json", "the folder of a Gemma 3 model", GEMMA_ROOT)
    with transformers_importable():
        from transformers import Gemma3Config

    told = require_object(root / "config.json")
    if told.get("model_type") != "gemma3":
        got = f"model_type {told.get('model_type')!r:.80}"
        raise InputError(f"{root}: config.json", got, "'gemma3', the model that LTX-2.3 was trained with", GEMMA_ROOT)
    text = told.get("text_config")
    if isinstance(text, dict) and "num_hidden_layers" in text:
        _require_layers(text["num_hidden_layers"], root)
    with library_refusals(root / "config.json"):
        values, _ = Gemma3Config.get_config_dict(str(root), local_files_only=True)
        config: Any = Gemma3Config.from_dict(values).text_config
    return config
