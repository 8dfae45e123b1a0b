"""What the keys of a checkpoint's configuration must be to each other."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ltx_port.checkpoint.supported import Violation

if TYPE_CHECKING:
    from ltx_port.checkpoint.audio_config import GeneratorConfig
    from ltx_port.checkpoint.config import CheckpointConfig


def broken_equalities(config: "CheckpointConfig") -> Iterator[Violation]:
    """Give each key whose value contradicts another key."""
    for key, got, expected, why in (
        *_transformer_widths(config),
        *_latent_channels(config),
        *_video_blocks(config),
        *_audio_rates(config),
        *_generator_lists("vocoder.vocoder", config.vocoder.vocoder),
        *_generator_lists("vocoder.bwe", config.vocoder.bwe),
    ):
        if got != expected:
            yield Violation(key, got, f"{expected} ({why})")
    for key, head_dim in (
        ("attention_head_dim", config.transformer.attention_head_dim),
        ("audio_attention_head_dim", config.transformer.audio_attention_head_dim),
        ("connector_attention_head_dim", config.transformer.connector_attention_head_dim),
        ("audio_connector_attention_head_dim", config.transformer.audio_connector_attention_head_dim),
    ):
        if head_dim % 2:
            yield Violation(f"transformer.{key}", head_dim, "an even number (a rotation pairs the two halves)")


_Equality = tuple[str, int, int, str]


def _transformer_widths(config: "CheckpointConfig") -> Iterator[_Equality]:
    part = config.transformer
    connector = part.connector_num_attention_heads * part.connector_attention_head_dim
    audio_connector = part.audio_connector_num_attention_heads * part.audio_connector_attention_head_dim
    # Audio-video attention splits the audio width over the video heads' gates.
    yield (
        "transformer.audio_num_attention_heads",
        part.audio_num_attention_heads,
        part.num_attention_heads,
        "num_attention_heads",
    )
    yield "transformer.cross_attention_dim", part.cross_attention_dim, part.inner_dim, "heads x head width"
    yield (
        "transformer.connector_num_attention_heads x head_dim",
        connector,
        part.inner_dim,
        "the text's width",
    )
    yield (
        "transformer.audio_cross_attention_dim",
        part.audio_cross_attention_dim,
        part.audio_inner_dim,
        "audio heads x head width",
    )
    yield (
        "transformer.audio_connector_num_attention_heads x head_dim",
        audio_connector,
        part.audio_inner_dim,
        "the text's width in the audio stream",
    )


def _latent_channels(config: "CheckpointConfig") -> Iterator[_Equality]:
    part, audio = config.transformer, config.audio_vae.model.params.ddconfig
    audio_channels = audio.z_channels * (audio.mel_bins // 4)
    yield "transformer.in_channels", part.in_channels, config.vae.latent_channels, "vae.latent_channels"
    yield "transformer.out_channels", part.out_channels, part.in_channels, "in_channels"
    yield (
        "transformer.audio_in_channels",
        part.resolved_audio_in_channels,
        audio_channels,
        "z_channels x mel_bins / 4",
    )
    yield (
        "transformer.audio_out_channels",
        part.audio_out_channels,
        audio_channels,
        "z_channels x mel_bins / 4",
    )
    # The statistics that normalise the audio latent are as wide as its first convolution.
    yield "audio_vae.model.params.ddconfig.ch", audio.ch, audio_channels, "z_channels x mel_bins / 4"
    yield "audio_vae.model.params.ddconfig.mel_bins modulo 4", audio.mel_bins % 4, 0, "two halvings"
    yield "length of audio_vae.model.params.ddconfig.ch_mult", len(audio.ch_mult), 3, "two halvings between them"


def _video_blocks(config: "CheckpointConfig") -> Iterator[_Equality]:
    """Tiles and positions count on 32 pixels and 8 frames per latent, release 1.0.0 on a decoder 8 times wider."""
    part = config.vae
    for key, blocks in (("encoder_blocks", part.encoder_blocks), ("decoder_blocks", part.decoder_blocks)):
        halvings = [kind.removesuffix("_res") for kind, _ in blocks]
        space = halvings.count("compress_space") + halvings.count("compress_all")
        time = halvings.count("compress_time") + halvings.count("compress_all")
        yield f"pixels per latent of vae.{key}", part.patch_size * 2**space, 32, "the format's own"
        yield f"frames per latent of vae.{key}", 2**time, 8, "the format's own"
    widening = math.prod(parameters.get("multiplier", 1) for _, parameters in part.decoder_blocks)
    yield "product of the multipliers of vae.decoder_blocks", widening, 8, "the width that the decoder starts at"
    channels = part.latent_channels
    for index, (kind, parameters) in enumerate(part.encoder_blocks):
        if kind != "res_x":
            box, multiplier = 4 if "space" in kind else 2 if "time" in kind else 8, parameters["multiplier"]
            where = f"vae.encoder_blocks.{index}"
            yield f"{where}: {box} modulo multiplier", box % multiplier, 0, "whole groups of channels"
            yield f"{where}: channels modulo {box}", channels * multiplier % box, 0, "whole channels"
            channels *= multiplier


def _audio_rates(config: "CheckpointConfig") -> Iterator[_Equality]:
    params, preprocessing = config.audio_vae.model.params, config.audio_vae.preprocessing
    generator, bwe = config.vocoder.vocoder, config.vocoder.bwe
    hop = preprocessing.stft.hop_length
    for key, got in (
        ("audio_vae.preprocessing.audio.sampling_rate", preprocessing.audio.sampling_rate),
        ("vocoder.bwe.input_sampling_rate", bwe.input_sampling_rate),
    ):
        yield key, got, params.sampling_rate, "audio_vae.model.params.sampling_rate"
    for key, got in (
        ("audio_vae.preprocessing.mel.n_mel_channels", preprocessing.mel.n_mel_channels),
        ("vocoder.bwe.num_mels", bwe.num_mels),
    ):
        yield key, got, params.ddconfig.mel_bins, "audio_vae.model.params.ddconfig.mel_bins"
    yield (
        "product of vocoder.vocoder.upsample_rates",
        math.prod(generator.upsample_rates),
        hop,
        "stft.hop_length",
    )
    ratio, rest = divmod(bwe.output_sampling_rate, bwe.input_sampling_rate)
    yield "vocoder.bwe.output_sampling_rate modulo input_sampling_rate", rest, 0, "a whole ratio"
    yield (
        "product of vocoder.bwe.upsample_rates",
        math.prod(bwe.upsample_rates),
        bwe.hop_length * ratio,
        "hop_length x output_sampling_rate / input_sampling_rate",
    )


def _generator_lists(where: str, generator: "GeneratorConfig") -> Iterator[_Equality]:
    yield (
        f"length of {where}.upsample_kernel_sizes",
        len(generator.upsample_kernel_sizes),
        len(generator.upsample_rates),
        "one for each of upsample_rates",
    )
    yield (
        f"length of {where}.resblock_dilation_sizes",
        len(generator.resblock_dilation_sizes),
        len(generator.resblock_kernel_sizes),
        "one for each of resblock_kernel_sizes",
    )
