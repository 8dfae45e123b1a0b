"""The names of the text stage's tensors: the port's to the official checkpoint's, by rule."""

from collections.abc import Iterable

FEATURES_PREFIX = "text_embedding_projection."
CONNECTOR_PREFIX = "model.diffusion_model.{stream}_embeddings_connector."

_BLOCK_PARTS = {
    "attn.to_out.": "attn1.to_out.0.",
    "attn.": "attn1.",
    "ff.up.": "ff.net.0.proj.",
    "ff.down.": "ff.net.2.",
}


def feature_keys(names: Iterable[str]) -> dict[str, str]:
    """Map the feature extractor's tensor names (`video.weight`) to the official keys."""
    found = {}
    for name in names:
        stream, _, leaf = name.partition(".")
        found[name] = f"{FEATURES_PREFIX}{stream}_aggregate_embed.{leaf}"
    return found


def connector_keys(names: Iterable[str], stream: str) -> dict[str, str]:
    """Map the tensor names of the connector of a stream ("video" or "audio") to the official keys."""
    prefix = CONNECTOR_PREFIX.format(stream=stream)
    return {name: prefix + _connector_key(name) for name in names}


def _connector_key(name: str) -> str:
    if name == "fill.registers":
        return "learnable_registers"
    _, index, inside = name.split(".", 2)
    part = next(part for part in _BLOCK_PARTS if inside.startswith(part))
    return f"transformer_1d_blocks.{index}.{_BLOCK_PARTS[part]}{inside.removeprefix(part)}"
