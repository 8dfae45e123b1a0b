"""The text stage: the projection of Gemma's hidden states and a connector for each stream, as three components."""

import re
from collections.abc import Iterator

from ltx_port.checkpoint.config import CheckpointConfig
from parity.errors import BadInputError
from parity.ltx23.synthetic.recipe import BIAS, NORM, Component, Recipe, Row, Shape, fan_in

_REGISTERS = 128
_FEED_FORWARD_RATIO = 4
GEMMA_LAYERS = {3840: 48, 24: 3}
"""Layers of the Gemma model of each width. Only the width is in the configuration, as `caption_channels`."""

_PROJECTION = r"text_embedding_projection\.(video|audio)_aggregate_embed"
_CONNECTOR = r"model\.diffusion_model\.(video|audio)_embeddings_connector"
_BLOCK = rf"{_CONNECTOR}\.transformer_1d_blocks\.\d+"
_LINEAR = rf"({_PROJECTION}|{_BLOCK}\.(attn1\.(to_q|to_k|to_v|to_out\.0|to_gate_logits)|ff\.net\.(0\.proj|2)))"
_NORM_WEIGHT = re.compile(rf"{_BLOCK}\.attn1\.[qk]_norm\.weight")
_BIAS = re.compile(rf"{_LINEAR}\.bias")
_MATRIX = re.compile(rf"{_LINEAR}\.weight")
_REGISTER_TABLE = re.compile(rf"{_CONNECTOR}\.learnable_registers")


def gemma_layers(config: CheckpointConfig) -> int:
    """Give the layers of the Gemma model that a configuration goes with; BadInputError for a width not known."""
    width = config.transformer.caption_channels
    if width not in GEMMA_LAYERS:
        expected = f"one of {', '.join(map(str, GEMMA_LAYERS))}"
        raise BadInputError("transformer.caption_channels", str(width), expected, "say how many layers it has")
    return GEMMA_LAYERS[width]


def _projection(config: CheckpointConfig) -> Iterator[Row]:
    part = config.transformer
    # One hidden state after each layer, and the embedding.
    flat = part.caption_channels * (gemma_layers(config) + 1)
    yield from _linear("text_embedding_projection.video_aggregate_embed", part.inner_dim, flat)
    yield from _linear("text_embedding_projection.audio_aggregate_embed", part.audio_inner_dim, flat)


def _video_connector(config: CheckpointConfig) -> Iterator[Row]:
    part = config.transformer
    yield from _connector("video", part.inner_dim, part.connector_num_attention_heads, part.connector_num_layers)


def _audio_connector(config: CheckpointConfig) -> Iterator[Row]:
    part = config.transformer
    heads = part.audio_connector_num_attention_heads
    yield from _connector("audio", part.audio_inner_dim, heads, part.connector_num_layers)


def _connector(stream: str, dim: int, heads: int, layers: int) -> Iterator[Row]:
    prefix = f"model.diffusion_model.{stream}_embeddings_connector"
    yield f"{prefix}.learnable_registers", (_REGISTERS, dim)
    for index in range(layers):
        block = f"{prefix}.transformer_1d_blocks.{index}"
        yield f"{block}.attn1.q_norm.weight", (dim,)
        yield f"{block}.attn1.k_norm.weight", (dim,)
        for layer in ("to_q", "to_k", "to_v"):
            yield from _linear(f"{block}.attn1.{layer}", dim, dim)
        yield from _linear(f"{block}.attn1.to_gate_logits", heads, dim)
        yield from _linear(f"{block}.attn1.to_out.0", dim, dim)
        yield from _linear(f"{block}.ff.net.0.proj", _FEED_FORWARD_RATIO * dim, dim)
        yield from _linear(f"{block}.ff.net.2", dim, _FEED_FORWARD_RATIO * dim)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[Row]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _recipe(key: str, shape: Shape) -> Recipe | None:
    rank = len(shape)
    if rank == 1 and _NORM_WEIGHT.fullmatch(key):
        return NORM
    if rank == 1 and _BIAS.fullmatch(key):
        return BIAS
    if rank == 2 and _REGISTER_TABLE.fullmatch(key):
        # As large as the text that they stand beside.
        return Recipe("table", 0.0, 1.0)
    if rank == 2 and _MATRIX.fullmatch(key):
        return fan_in(shape)
    return None


TEXT_COMPONENTS = (
    Component("text_projection", _projection, _recipe),
    Component("video_connector", _video_connector, _recipe),
    Component("audio_connector", _audio_connector, _recipe),
)
