"""A Gemma 3 root folder as published, with deterministic weights: small, or its shape alone."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from parity.ltx23.synthetic.gemma_tokenizer import VOCABULARY_SIZE, tokenizer_files
from parity.ltx23.synthetic.recipe import Shape
from parity.ltx23.synthetic.weights import normal_like

Rows = Iterator[tuple[str, Shape]]

_TEXT = {
    "attention_bias": False,
    "head_dim": 16,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 24,
    "intermediate_size": 48,
    "max_position_embeddings": 4096,
    "model_type": "gemma3_text",
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "num_key_value_heads": 1,
    # Not head_dim, as a scale taken from there would have it.
    "query_pre_attn_scalar": 20,
    "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10000.0,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "rope_theta": 1000000.0,
    # Shorter than the prompts, so that the layers with and without it differ.
    "sliding_window": 24,
    "sliding_window_pattern": 2,
    "vocab_size": VOCABULARY_SIZE,
}
_VISION = {
    "hidden_size": 16,
    "image_size": 8,
    "intermediate_size": 16,
    "model_type": "siglip_vision_model",
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "patch_size": 4,
    "vision_use_head": False,
}
_CONFIG = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "boi_token_index": VOCABULARY_SIZE - 2,
    "eoi_token_index": VOCABULARY_SIZE - 1,
    "eos_token_id": [1],
    "image_token_index": VOCABULARY_SIZE - 3,
    "mm_tokens_per_image": 4,
    "model_type": "gemma3",
}
_PROCESSOR = {"image_seq_length": 4, "processor_class": "Gemma3Processor"}
_NORM = re.compile(r".*(norm|layernorm|layer_norm[12]?)\.weight")


def write_gemma(root: Path, seed: int, starts: bool = True) -> None:
    """Write a whole tiny root: config, tokenizer and weights; the same bytes on every machine.

    `starts`: the tokenizer sets a start token, as Gemma 3's does.
    """
    root.mkdir()
    _write_json(root / "config.json", {**_CONFIG, "text_config": _TEXT, "vision_config": _VISION})
    for name, content in tokenizer_files(starts).items():
        _write_json(root / name, content)
    # Looked for by the official loaders, though no prompt goes through it.
    _write_json(root / "processor_config.json", _PROCESSOR)
    _write_weights(root / "model.safetensors", dict(_shapes()), seed)


def write_gemma_shape(root: Path, hidden: int, layers: int) -> None:
    """Write a root without weights, that says only how wide and how deep its language model is."""
    root.mkdir()
    text = {**_TEXT, "hidden_size": hidden, "num_hidden_layers": layers}
    _write_json(root / "config.json", {**_CONFIG, "text_config": text, "vision_config": _VISION})
    for name, content in tokenizer_files(starts=True).items():
        _write_json(root / name, content)
    _write_json(root / "processor_config.json", _PROCESSOR)
    # Looked for by name and not opened.
    (root / "model.safetensors").touch()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True), encoding="utf-8")


def _shapes() -> Rows:
    hidden, head, heads, groups = 24, 16, 2, 1
    model = "language_model.model"
    yield f"{model}.embed_tokens.weight", (VOCABULARY_SIZE, hidden)
    yield f"{model}.norm.weight", (hidden,)
    for index in range(3):
        layer = f"{model}.layers.{index}"
        for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            yield f"{layer}.{norm}_layernorm.weight", (hidden,)
        yield f"{layer}.self_attn.q_proj.weight", (heads * head, hidden)
        yield f"{layer}.self_attn.k_proj.weight", (groups * head, hidden)
        yield f"{layer}.self_attn.v_proj.weight", (groups * head, hidden)
        yield f"{layer}.self_attn.o_proj.weight", (hidden, heads * head)
        yield f"{layer}.self_attn.q_norm.weight", (head,)
        yield f"{layer}.self_attn.k_norm.weight", (head,)
        yield f"{layer}.mlp.gate_proj.weight", (48, hidden)
        yield f"{layer}.mlp.up_proj.weight", (48, hidden)
        yield f"{layer}.mlp.down_proj.weight", (hidden, 48)
    yield "multi_modal_projector.mm_input_projection_weight", (16, hidden)
    yield "multi_modal_projector.mm_soft_emb_norm.weight", (16,)
    yield from _vision("vision_tower.vision_model", 16)


def _vision(model: str, width: int) -> Rows:
    yield f"{model}.embeddings.patch_embedding.weight", (width, 3, 4, 4)
    yield f"{model}.embeddings.patch_embedding.bias", (width,)
    yield f"{model}.embeddings.position_embedding.weight", (4, width)
    for part in ("layer_norm1", "layer_norm2"):
        yield f"{model}.encoder.layers.0.{part}.weight", (width,)
        yield f"{model}.encoder.layers.0.{part}.bias", (width,)
    for part in (
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.out_proj",
        "mlp.fc1",
        "mlp.fc2",
    ):
        yield f"{model}.encoder.layers.0.{part}.weight", (width, width)
        yield f"{model}.encoder.layers.0.{part}.bias", (width,)
    yield f"{model}.post_layernorm.weight", (width,)
    yield f"{model}.post_layernorm.bias", (width,)


def _write_weights(path: Path, shapes: dict[str, Shape], seed: int) -> None:
    # By hand, and not by a library whose next version may lay the file out otherwise.
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for key, shape in shapes.items():
        start = len(data)
        data += _values(key, shape, seed).to(torch.bfloat16).view(torch.uint8).numpy().tobytes()
        entries[key] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [start, len(data)]}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def _values(key: str, shape: Shape, seed: int) -> torch.Tensor:
    values = normal_like(seed, f"gemma.{key}", 0, math.prod(shape), "cpu")
    if _NORM.fullmatch(key):
        # Gemma's norms multiply by one plus the weight.
        return values * 0.1
    if len(shape) == 1:
        return values * 0.02
    # The embedding comes out of its own scaling by the square root of the width with a deviation of 1.
    return values / math.sqrt(math.prod(shape[1:]))
