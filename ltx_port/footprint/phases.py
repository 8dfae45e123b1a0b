"""The phases of generation in two stages: each with its model, and how it is run on inputs without values."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ltx_port.audio_vae.load import build_audio_decoder
from ltx_port.checkpoint.config import CheckpointConfig
from ltx_port.checkpoint.load import build_transformer
from ltx_port.denoise import LTX_2_3, GuidedDenoiser, NoisyStream, SimpleDenoiser, Text
from ltx_port.denoise.denoiser import Guidance, Level, Pair
from ltx_port.latents import Clip
from ltx_port.release import NEWEST, Release
from ltx_port.text.embeddings import TextEmbeddings
from ltx_port.text.gemma import build_gemma
from ltx_port.text.load import build_connector, build_features
from ltx_port.text.tokenizer import PROMPT_TOKENS
from ltx_port.transformer import DenoisedPrediction
from ltx_port.upsampler.config import UpsamplerConfig
from ltx_port.upsampler.load import build_upsampler
from ltx_port.video_vae.frames import ClipDecoder
from ltx_port.video_vae.load import build_video_decoder, build_video_encoder
from ltx_port.video_vae.tiling import Tiling
from ltx_port.vocoder.load import build_vocoder
from ltx_port.vocoder.sound import SoundDecoder

if TYPE_CHECKING:
    from transformers import Gemma3TextConfig

_PROMPTS = 2
"""The prompt and the negative prompt."""


@dataclass(frozen=True)
class Setting:
    """What is generated, by which models, in which precision."""

    checkpoint: CheckpointConfig
    upsampler: UpsamplerConfig
    gemma: "Gemma3TextConfig"
    clip: Clip
    release: Release = NEWEST
    dtype: torch.dtype = torch.bfloat16
    prompt_tokens: int = PROMPT_TOKENS


@dataclass(frozen=True)
class Inputs:
    """Makes inputs of a size and without values: what is measured does not depend on them."""

    device: torch.device
    dtype: torch.dtype

    def __call__(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Give zeros, in the working dtype unless another is asked for."""
        return torch.zeros(shape, dtype=dtype or self.dtype, device=self.device)


@dataclass(frozen=True)
class Phase:
    """One phase: `build` gives its model without weights, `layers` those of it that can be streamed to the device.

    `run` computes it once with a model and inputs on one device, as the pipelines do.
    """

    name: str
    build: Callable[[], nn.Module]
    run: Callable[[nn.Module, Inputs], object]
    layers: Callable[[nn.Module], Sequence[nn.Module]] = lambda _: ()


def phases(setting: Setting) -> tuple[Phase, ...]:
    """Give the phases in the order in which they are run."""
    return (
        _gemma(setting),
        _connectors(setting),
        _picture(setting),
        _first_stage(setting),
        _upsampler(setting),
        _second_stage(setting),
        _video(setting),
        _audio(setting),
        _vocoder(setting),
    )


def _gemma(setting: Setting) -> Phase:
    # Both prompts in one batch, or one after the other: the states of the first are kept all the same.
    batches = [_PROMPTS] if setting.release.prompts_batched else [1] * _PROMPTS

    def run(model: nn.Module, made: Inputs) -> list[Any]:
        size = setting.prompt_tokens
        # Some padding: attention then takes a mask, as it does for every prompt of fewer words.
        return [model(made(batch, size, dtype=torch.int64), made(batch, size, dtype=torch.int64)) for batch in batches]

    return Phase(
        "text: Gemma",
        lambda: build_gemma(setting.gemma).to(setting.dtype),
        run,
        lambda model: list(model.get_submodule("model.layers").children()),
    )


def _connectors(setting: Setting) -> Phase:
    part, states = setting.checkpoint.transformer, setting.gemma.num_hidden_layers + 1

    def build() -> nn.Module:
        features = build_features(part, setting.gemma.hidden_size * states)
        connectors = [build_connector(part, stream, setting.release) for stream in ("video", "audio")]
        return TextEmbeddings(features, *connectors).eval().to(setting.dtype)

    def run(model: nn.Module, made: Inputs) -> list[Any]:
        size = setting.prompt_tokens
        given = [made(_PROMPTS, size, setting.gemma.hidden_size) for _ in range(states)]
        mask = made(_PROMPTS, size, dtype=torch.int64)
        return [model(tuple(state[row : row + 1] for state in given), mask[row : row + 1]) for row in range(_PROMPTS)]

    return Phase("text: connectors", build, run)


def _picture(setting: Setting) -> Phase:
    clip, config = setting.clip, setting.checkpoint.vae

    def build() -> nn.Module:
        return build_video_encoder(config, setting.release).to(setting.dtype)

    # At the size of the second stage, the larger one.
    return Phase(
        "picture", build, lambda model, made: model(made(clip.batch, config.in_channels, 1, clip.height, clip.width))
    )


def _transformer(setting: Setting) -> nn.Module:
    return DenoisedPrediction(build_transformer(setting.checkpoint.transformer, setting.release)).to(setting.dtype)


def _blocks(model: nn.Module) -> Sequence[nn.Module]:
    return list(model.get_submodule("transformer.blocks").children())


def _first_stage(setting: Setting) -> Phase:
    def run(model: nn.Module, made: Inputs) -> object:
        denoiser = GuidedDenoiser(model, setting.release)
        guidance = Guidance(LTX_2_3.video, LTX_2_3.audio, negative=_text(setting, made))
        level = Level(made(dtype=torch.float32), step=0)
        return denoiser(_streams(setting, setting.clip.halved(), made), _text(setting, made), level, guidance, None)

    return Phase("stage 1", lambda: _transformer(setting), run, _blocks)


def _second_stage(setting: Setting) -> Phase:
    def run(model: nn.Module, made: Inputs) -> object:
        level = Level(made(dtype=torch.float32), step=0)
        denoiser = SimpleDenoiser(model, setting.release)
        return denoiser(_streams(setting, setting.clip, made), _text(setting, made), level)

    return Phase("stage 2", lambda: _transformer(setting), run, _blocks)


def _text(setting: Setting, made: Inputs) -> Text:
    part, size = setting.checkpoint.transformer, setting.prompt_tokens
    return Text(made(1, size, part.inner_dim), made(1, size, part.audio_inner_dim))


def _streams(setting: Setting, clip: Clip, made: Inputs) -> Pair:
    part, wide = setting.checkpoint.transformer, setting.release.video_positions_float32
    sizes = (
        (clip.video.tokens, part.in_channels, 3, torch.float32 if wide else setting.dtype),
        (clip.audio.tokens, part.resolved_audio_in_channels, 1, torch.float32),
    )
    return Pair(
        *(
            NoisyStream(
                latent=made(clip.batch, tokens, channels),
                clean=made(clip.batch, tokens, channels),
                mask=made(clip.batch, tokens, 1, dtype=torch.float32),
                positions=made(clip.batch, axes, tokens, 2, dtype=positions),
            )
            for tokens, channels, axes, positions in sizes
        )
    )


def _upsampler(setting: Setting) -> Phase:
    return Phase(
        "upsampler",
        lambda: build_upsampler(setting.upsampler).to(setting.dtype),
        lambda model, made: model(_video_latent(setting, setting.clip.halved(), made)),
    )


def _video_latent(setting: Setting, clip: Clip, made: Inputs) -> Tensor:
    return made(clip.batch, setting.checkpoint.vae.latent_channels, *clip.video.shape[2:])


def _video(setting: Setting) -> Phase:
    clip, release = setting.clip, setting.release

    def run(model: nn.Module, made: Inputs) -> None:
        decoder, tiling = ClipDecoder(model), Tiling.default(release, clip.height, clip.width)  # type: ignore[arg-type]
        # Each stretch leaves the device before the next one is asked for.
        deque(decoder(_video_latent(setting, clip, made), tiling), maxlen=0)

    return Phase("video", lambda: build_video_decoder(setting.checkpoint.vae, release).to(setting.dtype), run)


def _audio(setting: Setting) -> Phase:
    part, grid = setting.checkpoint.audio_vae.model.params.ddconfig, setting.clip.audio
    return Phase(
        "audio",
        lambda: build_audio_decoder(setting.checkpoint.audio_vae).to(setting.dtype),
        lambda model, made: model(made(grid.batch, part.z_channels, grid.frames, part.mel_bins // 4)),
    )


def _vocoder(setting: Setting) -> Phase:
    config, frames = setting.checkpoint.vocoder, 4 * setting.clip.audio.frames - 3

    def build() -> nn.Module:
        return build_vocoder(config, setting.release).to(
            torch.float32 if setting.release.vocoder_float32 else setting.dtype
        )

    return Phase(
        "vocoder",
        build,
        lambda model, made: SoundDecoder(model)(made(1, 2, frames, config.bwe.num_mels)),  # type: ignore[arg-type]
    )
