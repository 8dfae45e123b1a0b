"""The probe matrix: every case, the faults it guards against, and its forward passes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stage import Case, Pass, Setting, input_seed
from parity.ltx23.stages.transformer.inputs import (
    REAL,
    REAL_TEXT_TOKENS,
    SMALL,
    SMALLEST,
    Draw,
    Geometry,
    Widths,
    audio_positions,
    stream_input,
    video_positions,
)
from parity.ltx23.stages.transformer.passes import ForwardPass, SampleSkips, Skipped, StreamInput

NOTHING: SampleSkips = {}
EVERYWHERE: SampleSkips = {Skipped.A2V: None, Skipped.V2A: None}
# Sigmas differ between streams and between samples: equal ones hide a sigma taken from the wrong place.
_VIDEO_SIGMAS = (0.909375, 0.725, 0.421875, 0.98125)
_AUDIO_SIGMAS = (0.6, 0.875, 0.975, 0.3)


_ODD_CONSTANTS: Mapping[str, Any] = {
    "norm_eps": 1e-4,
    "positional_embedding_theta": 9000.0,
    "positional_embedding_max_pos": [18, 1920, 2000],
    "audio_positional_embedding_max_pos": [23],
    "timestep_scale_multiplier": 900,
    "av_ca_timestep_scale_multiplier": 850.0,
}


@dataclass(frozen=True)
class Bench:
    """What passes are built from: the model's widths, its STG block, and the dtype of video positions.

    `as_generated`: no attention mask, as in generation, and the text tokens that the connectors give.
    """

    widths: Widths
    stg_block: int
    positions: torch.dtype
    geometry: Geometry
    as_generated: bool = False

    def _draw(self, label: str, sigmas: tuple[float, ...]) -> Draw:
        draw = Draw(input_seed(), label, sigmas)
        return replace(draw, text_tokens=REAL_TEXT_TOKENS, masked=False) if self.as_generated else draw

    def streams(self, label: str, batch: int, text: str = "prompt") -> tuple[StreamInput, StreamInput]:
        """Give (video, audio) inputs in float32; `text` names the prompt, so that passes may differ in it."""
        widths, geometry = self.widths, self.geometry
        video = stream_input(
            self._draw(f"{label}.video", _VIDEO_SIGMAS[:batch]),
            geometry.video_tokens,
            widths.video_channels,
            widths.video_context,
            video_positions(geometry, batch, self.positions),
        )
        audio = stream_input(
            self._draw(f"{label}.audio", _AUDIO_SIGMAS[:batch]),
            geometry.audio_tokens,
            widths.audio_channels,
            widths.audio_context,
            audio_positions(geometry, batch),
        )
        return self._told(video, f"{text}.video"), self._told(audio, f"{text}.audio")

    def _told(self, stream: StreamInput, text: str) -> StreamInput:
        draw = Draw(input_seed(), text, tuple(stream.sigma.tolist()))
        context = draw.normal("context", *stream.context.shape).to(torch.bfloat16).float()
        return replace(stream, context=context)

    @property
    def stg(self) -> SampleSkips:
        """The perturbation of spatio-temporal guidance."""
        blocks = frozenset({self.stg_block})
        return {Skipped.VIDEO_SELF: blocks, Skipped.AUDIO_SELF: blocks}


def _guidance(bench: Bench, batch: int) -> list[ForwardPass]:
    """The four passes of one guided step, in the order of release 1.0.0."""
    label = f"guided{batch}"
    video, audio = bench.streams(label, batch)
    negative_video, negative_audio = bench.streams(label, batch, text="negative")
    return [
        ForwardPass("pass_cond", video, audio, (NOTHING,) * batch),
        ForwardPass("pass_neg", negative_video, negative_audio, (NOTHING,) * batch),
        ForwardPass("pass_stg", video, audio, (bench.stg,) * batch),
        ForwardPass("pass_isolated", video, audio, (EVERYWHERE,) * batch),
    ]


def _batched(bench: Bench) -> list[ForwardPass]:
    video, audio = bench.streams("batched", 4)
    return [ForwardPass("pass_batched", video, audio, (NOTHING, NOTHING, bench.stg, EVERYWHERE))]


def _streams(bench: Bench) -> list[ForwardPass]:
    video, audio = bench.streams("streams", 2)
    nothing = (NOTHING,) * 2
    return [
        ForwardPass("pass_video_alone", video, None, nothing),
        ForwardPass("pass_audio_alone", None, audio, nothing),
        ForwardPass("pass_video_disabled", replace(video, enabled=False), audio, nothing),
        ForwardPass("pass_audio_disabled", video, replace(audio, enabled=False), nothing),
    ]


def _masks(bench: Bench) -> list[ForwardPass]:
    video, audio = bench.streams("masks", 2)
    tokens = video.context.shape[1]
    left_padded = torch.ones(2, tokens, dtype=torch.int64)
    left_padded[0, : tokens // 3] = 0
    left_padded[1, : tokens // 2] = 0
    masked = replace(video, context_mask=left_padded, attention_mask=None)
    biased = replace(audio, context_mask=_bias(left_padded.flip(0)), attention_mask=None)
    plain = [replace(s, attention_mask=None, timesteps=s.sigma.view(-1, 1, 1).expand_as(s.timesteps).contiguous())
             for s in (video, audio)]  # fmt: skip
    return [
        ForwardPass("pass_context_masked", masked, biased, (NOTHING,) * 2),
        ForwardPass("pass_plain", plain[0], plain[1], (NOTHING,) * 2),
    ]


def _bias(mask: Tensor) -> Tensor:
    # Exactly representable in every precision, so that all of them see the same bias.
    return ((mask - 1).float() * 4.0)[:, None, None, :]


def _case(identifier: str, guards: str, build: Callable[[Bench], list[ForwardPass]], **more: Any) -> Case:
    """Give a case whose clip has the size `geometry`."""
    geometry: Geometry = more.pop("geometry", SMALL)
    as_generated = geometry in REAL

    def passes(setting: Setting) -> list[Pass]:
        part = setting.config.transformer
        widths = Widths(
            part.in_channels, part.resolved_audio_in_channels, part.cross_attention_dim, part.audio_cross_attention_dim
        )
        # Release 1.0.0 rounds video positions to the working precision.
        positions = setting.dtype if setting.release == "1.0.0" else torch.float32
        bench = Bench(widths, part.num_layers // 2, positions, geometry, as_generated)
        return [forward.to(setting.dtype) for forward in build(bench)]

    return Case(identifier, guards, passes, **more)


TRANSFORMER_CASES = (
    _case(
        "small",
        "one sample, two blocks: small enough to be recorded",
        lambda bench: _guidance(bench, 1),
        layers=2,
        geometry=SMALLEST,
        recorded=True,
    ),
    _case("guided-b1", "one sample: the path that generation takes", lambda bench: _guidance(bench, 1)),
    _case(
        "guided-b2",
        "faults of broadcasting: two samples that differ in everything",
        lambda bench: _guidance(bench, 2),
        layers=2,
    ),
    _case("batched", "each sample its own perturbation: the masks, not the short cuts", _batched, drifts=True),
    _case("streams", "one stream alone, or present but not enabled", _streams, layers=2),
    _case("masks", "text masks of both kinds; no self-attention mask; every token noisy", _masks, layers=2),
    _case(
        "odd-config",
        "constants that no code has as its default: what is read from the checkpoint, and what is not",
        lambda bench: _guidance(bench, 1),
        layers=2,
        config_edits={f"transformer.{key}": value for key, value in _ODD_CONSTANTS.items()},
        geometry=SMALLEST,
    ),
    _case(
        "real-width",
        "4096 and 2048 channels, 32 heads: what a kernel or a reduction does only at width",
        lambda bench: _guidance(bench, 1),
        config="ltx-2.3-22b",
        layers=2,
        dtypes=(torch.bfloat16,),
        real_size=True,
    ),
    _case(
        "lockstep",
        "one guided step side by side: what runs at full size, small",
        lambda bench: _guidance(bench, 1),
        resident=True,
    ),
    *(
        _case(
            f"lockstep-{geometry}",
            f"one guided step of the whole model at {geometry.video_tokens:,} video tokens",
            lambda bench: _guidance(bench, 1),
            config="ltx-2.3-22b",
            dtypes=(torch.bfloat16,),
            geometry=geometry,
            real_size=True,
            resident=True,
        )
        for geometry in REAL
    ),
)
