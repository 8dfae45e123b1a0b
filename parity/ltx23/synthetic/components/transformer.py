"""The transformer: every key with its shape, by rule from the configuration, and how each tensor is filled."""

import re
from collections.abc import Iterator

from ltx_port.checkpoint.config import CheckpointConfig, TransformerConfig
from parity.ltx23.synthetic.recipe import BIAS, NORM, TABLE_SPREAD, Component, Recipe, Row, Shape, fan_in

_SINUSOID = 256
_FEED_FORWARD_RATIO = 4
# Rows of the tables: (shift, scale, gate) for self-attention, feed-forward and the text query; scale and
# shift of both audio-video directions and one gate; shift and scale of the text, and of the head.
_BLOCK_ROWS, _AV_ROWS, _PROMPT_ROWS, _HEAD_ROWS = 9, 5, 2, 2
_AV_SCALE_SHIFT_ROWS, _AV_GATE_ROWS = 4, 1

_PREFIX = r"model\.diffusion_model\.(transformer_blocks\.\d+\.)?"
_ATTENTION = r"(audio_)?attn[12]|audio_to_video_attn|video_to_audio_attn"
_AV_ADALN = "av_ca_(video_scale_shift|audio_scale_shift|a2v_gate|v2a_gate)_adaln_single"
_ADALN = rf"((audio_)?(prompt_)?adaln_single|{_AV_ADALN})"
_LINEAR = (
    rf"({_ATTENTION})\.(to_q|to_k|to_v|to_out\.0|to_gate_logits)"
    r"|(audio_)?ff\.net\.(0\.proj|2)"
    r"|(audio_)?(patchify_proj|proj_out)"
    rf"|{_ADALN}\.(emb\.timestep_embedder\.linear_[12]|linear)"
)
_NORM_WEIGHT = re.compile(rf"{_PREFIX}({_ATTENTION})\.[qk]_norm\.weight")
_TABLE = re.compile(rf"{_PREFIX}(audio_)?(prompt_)?scale_shift_table(_a2v_ca_(audio|video))?")
_BIAS = re.compile(rf"{_PREFIX}({_LINEAR})\.bias")
_MATRIX = re.compile(rf"{_PREFIX}({_LINEAR})\.weight")


def _transformer(config: CheckpointConfig) -> Iterator[Row]:
    part = config.transformer
    prefix = "model.diffusion_model."
    yield from _under(prefix, _ends(part))
    for index in range(part.num_layers):
        yield from _under(f"{prefix}transformer_blocks.{index}.", _block(part))


def _ends(part: TransformerConfig) -> Iterator[Row]:
    video, audio = part.inner_dim, part.audio_inner_dim
    yield "scale_shift_table", (_HEAD_ROWS, video)
    yield "audio_scale_shift_table", (_HEAD_ROWS, audio)
    yield from _linear("patchify_proj", video, part.in_channels)
    yield from _adaln("adaln_single", video, _BLOCK_ROWS)
    yield from _adaln("prompt_adaln_single", video, _PROMPT_ROWS)
    yield from _linear("proj_out", part.out_channels, video)
    yield from _linear("audio_patchify_proj", audio, part.resolved_audio_in_channels)
    yield from _adaln("audio_adaln_single", audio, _BLOCK_ROWS)
    yield from _adaln("audio_prompt_adaln_single", audio, _PROMPT_ROWS)
    yield from _linear("audio_proj_out", part.audio_out_channels, audio)
    yield from _adaln("av_ca_video_scale_shift_adaln_single", video, _AV_SCALE_SHIFT_ROWS)
    yield from _adaln("av_ca_audio_scale_shift_adaln_single", audio, _AV_SCALE_SHIFT_ROWS)
    yield from _adaln("av_ca_a2v_gate_adaln_single", video, _AV_GATE_ROWS)
    yield from _adaln("av_ca_v2a_gate_adaln_single", audio, _AV_GATE_ROWS)


def _block(part: TransformerConfig) -> Iterator[Row]:
    video, audio = part.inner_dim, part.audio_inner_dim
    heads, audio_heads = part.num_attention_heads, part.audio_num_attention_heads
    yield "scale_shift_table", (_BLOCK_ROWS, video)
    yield "audio_scale_shift_table", (_BLOCK_ROWS, audio)
    yield "scale_shift_table_a2v_ca_audio", (_AV_ROWS, audio)
    yield "scale_shift_table_a2v_ca_video", (_AV_ROWS, video)
    yield "prompt_scale_shift_table", (_PROMPT_ROWS, video)
    yield "audio_prompt_scale_shift_table", (_PROMPT_ROWS, audio)
    yield from _attention("attn1", video, video, video, heads)
    yield from _attention("attn2", video, part.cross_attention_dim, video, heads)
    yield from _feed_forward("ff", video)
    yield from _attention("audio_attn1", audio, audio, audio, audio_heads)
    yield from _attention("audio_attn2", audio, part.audio_cross_attention_dim, audio, audio_heads)
    yield from _feed_forward("audio_ff", audio)
    # Both directions attend in the audio stream's width.
    yield from _attention("audio_to_video_attn", video, audio, audio, audio_heads)
    yield from _attention("video_to_audio_attn", audio, video, audio, audio_heads)


def _attention(name: str, query: int, context: int, inner: int, heads: int) -> Iterator[Row]:
    yield f"{name}.q_norm.weight", (inner,)
    yield f"{name}.k_norm.weight", (inner,)
    yield from _linear(f"{name}.to_q", inner, query)
    yield from _linear(f"{name}.to_k", inner, context)
    yield from _linear(f"{name}.to_v", inner, context)
    yield from _linear(f"{name}.to_gate_logits", heads, query)
    yield from _linear(f"{name}.to_out.0", query, inner)


def _feed_forward(name: str, dim: int) -> Iterator[Row]:
    yield from _linear(f"{name}.net.0.proj", _FEED_FORWARD_RATIO * dim, dim)
    yield from _linear(f"{name}.net.2", dim, _FEED_FORWARD_RATIO * dim)


def _adaln(name: str, dim: int, rows: int) -> Iterator[Row]:
    yield from _linear(f"{name}.emb.timestep_embedder.linear_1", dim, _SINUSOID)
    yield from _linear(f"{name}.emb.timestep_embedder.linear_2", dim, dim)
    yield from _linear(f"{name}.linear", rows * dim, dim)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[Row]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _under(prefix: str, rows: Iterator[Row]) -> Iterator[Row]:
    for key, shape in rows:
        yield prefix + key, shape


def _recipe(key: str, shape: Shape) -> Recipe | None:
    rank = len(shape)
    if rank == 1 and _NORM_WEIGHT.fullmatch(key):
        return NORM
    if rank == 1 and _BIAS.fullmatch(key):
        return BIAS
    if rank == 2 and _TABLE.fullmatch(key):
        return Recipe("table", 0.0, TABLE_SPREAD)
    if rank == 2 and _MATRIX.fullmatch(key):
        # Gate logits too: their input is normalised, so that fan-in scaling spreads them by about 1.
        return fan_in(shape)
    return None


TRANSFORMER = Component("transformer", _transformer, _recipe)
