"""The cases of the denoising stage: every sampler around a stand-in for the model, and around the model itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stage import Case, Pass, Setting, input_seed
from parity.ltx23.stages.denoise.passes import DenoisePass, LoopPass, Scales, SchedulePass, StreamStart
from parity.ltx23.synthetic.weights import normal_like

# All terms at work, nothing shared by the streams, and no factor that is a power of two, which hides a rounding: the
# model's own defaults (3, 1, 3 for video) have no other.
VIDEO_SCALES = Scales(cfg=4.0, stg=0.875, blocks=(28,), modality=2.75, rescale=0.7)
AUDIO_SCALES = Scales(cfg=7.0, stg=1.25, blocks=(26, 28), modality=2.5, rescale=0.45)
SCALES = (VIDEO_SCALES, AUDIO_SCALES)
# The last noise levels of the second stage, whose last step ends at 0.
STAGE_2 = (0.909375, 0.725, 0.421875, 0.0)


@dataclass(frozen=True)
class Extent:
    """How large the streams of a pass are."""

    batch: int = 1
    tokens: tuple[int, int] = (8, 10)
    channels: tuple[int, int] = (16, 32)
    context: tuple[int, int, int] = (4, 64, 32)
    positions: torch.dtype = torch.float32


SMALLEST = Extent()


def drawn(label: str, *shape: int) -> Tensor:
    """Draw numbers that bfloat16 holds, so that every precision starts from the same ones."""
    flat = normal_like(input_seed(), f"denoise.{label}", 0, torch.Size(shape).numel(), torch.device("cpu"))
    return flat.view(shape).to(torch.bfloat16).float()


def stream(label: str, extent: Extent, which: int) -> StreamStart:
    """Give one stream; a quarter of its tokens clean, some half-denoised, in other places in each sample."""
    batch, tokens, channels = extent.batch, extent.tokens[which], extent.channels[which]
    mask = torch.ones(batch, tokens, 1)
    mask[:, : tokens // 4] = 0.0
    mask[:, tokens // 4 : tokens // 3 + 1] = 0.35
    mask[1::2, -2:] = 0.0
    text, width = extent.context[0], extent.context[1 + which]
    return StreamStart(
        latent=drawn(f"{label}.latent", batch, tokens, channels),
        # Another level and another spread than the latent's: a blend of the wrong two must show.
        clean=drawn(f"{label}.clean", batch, tokens, channels) * 0.5 + 0.25,
        mask=mask,
        positions=_positions(tokens, 1 if which else 3, batch).to(torch.float32 if which else extent.positions),
        context=drawn(f"{label}.context", batch, text, width),
        negative=drawn(f"{label}.negative", batch, text, width),
    )


def _positions(tokens: int, axes: int, batch: int) -> Tensor:
    start = torch.arange(tokens, dtype=torch.float32).view(1, 1, -1) / 8
    scale = torch.tensor([1.0, 64.0, 96.0])[:axes].view(1, -1, 1)
    return torch.stack([start * scale, (start + 0.125) * scale], dim=-1).expand(batch, -1, -1, -1).contiguous()


def loop(name: str, sigmas: tuple[float, ...], extent: Extent = SMALLEST, **more: Any) -> LoopPass:
    """Give a loop over both streams."""
    label = f"{extent.batch}.{extent.tokens}"
    return LoopPass(name, torch.tensor(sigmas), stream(f"v{label}", extent, 0), stream(f"a{label}", extent, 1), **more)


def _scaled(video: dict[str, Any], audio: dict[str, Any]) -> tuple[Scales, Scales]:
    return replace(VIDEO_SCALES, **video), replace(AUDIO_SCALES, **audio)


def _schedules() -> list[SchedulePass]:
    return [
        SchedulePass("default", 30),
        SchedulePass("few_steps", 3),
        SchedulePass("hq", 15, (16, 17, 30)),
        SchedulePass("small_clip", 8, (2, 8, 12)),
        SchedulePass("many_tokens", 40, (17, 34, 60)),
    ]


def _guided() -> list[LoopPass]:
    off = _scaled({"cfg": 1.0, "stg": 0.0}, {"modality": 1.0, "rescale": 0.0})
    skipping = _scaled({"skip_step": 1}, {"skip_step": 2})
    return [
        loop("every_term", STAGE_2, scales=SCALES),
        loop("terms_of_one", STAGE_2, scales=off),
        loop("skipping", (0.9875, 0.725, 0.421875, 0.0275, 0.0), scales=skipping),
        loop("cfg_alone", (0.7, 0.3), scales=_scaled({"stg": 0.0, "modality": 1.0}, {"stg": 0.0, "modality": 1.0})),
        loop("no_term", (0.7, 0.3), scales=_scaled(*[{"cfg": 1.0, "stg": 0.0, "modality": 1.0}] * 2)),
    ]


def _held() -> list[LoopPass]:
    held = loop("held", STAGE_2)
    audio = replace(held.audio, mask=torch.zeros_like(held.audio.mask), held=True)
    return [replace(held, audio=audio), loop("both", (1.0, 0.99375, 0.9875, 0.421875, 0.0))]


def _second_order() -> list[LoopPass]:
    no_term = _scaled(*[{"cfg": 1.0, "stg": 0.0, "modality": 1.0}] * 2)
    skipping = _scaled({"skip_step": 1, "stg": 0.0}, {"skip_step": 2, "stg": 0.0, "modality": 1.0})
    return [
        loop("every_term", (0.9875, 0.725, 0.0), scales=SCALES),
        loop("skipping", (0.909375, 0.421875, 0.0), scales=skipping),
        # Short steps as far as res_2s refines, and just below.
        loop("ends_noisy", (0.04, 0.0275, 0.02), scales=no_term),
    ]


def _batched() -> list[LoopPass]:
    return [loop("pairs", STAGE_2, replace(SMALLEST, batch=2), scales=SCALES)]


def _model(sigmas: tuple[float, ...], scales: tuple[Scales, Scales]) -> Callable[[Setting], list[LoopPass]]:
    """Give a guided loop whose streams fit the transformer of the case's checkpoint."""

    def build(setting: Setting) -> list[LoopPass]:
        part = setting.config.transformer
        extent = Extent(
            channels=(part.in_channels, part.resolved_audio_in_channels),
            context=(12, part.cross_attention_dim, part.audio_cross_attention_dim),
            # Release 1.0.0 rounds video positions to the working precision.
            positions=setting.dtype if setting.release == "1.0.0" else torch.float32,
        )
        return [loop("guided", sigmas, extent, scales=scales)]

    return build


def _case(identifier: str, guards: str, build: Callable[[Setting], Sequence[DenoisePass]], **more: Any) -> Case:
    """Give a case; `options` say which model, sampler and guidance it is loaded with."""
    options = {"model": "stub", "sampler": "euler", "guided": True, "max_batch": 1, **more.pop("options", {})}

    def passes(setting: Setting) -> list[Pass]:
        return [_as_loaded(forward.to(setting.dtype), options) for forward in build(setting)]

    if options["model"] == "transformer":
        more = {"layers": 2, "components": ("transformer",), **more}
    return Case(f"denoise-{identifier}", guards, passes, options=options, **more)


def _as_loaded(forward: DenoisePass, options: Mapping[str, Any]) -> DenoisePass:
    if isinstance(forward, SchedulePass):
        return forward
    return replace(forward, second_order=options["sampler"] == "res_2s", max_batch=options["max_batch"])


# The defaults of generation in two stages but for the block, and those of high quality.
_TWO_BLOCKS = (Scales(3.0, 1.0, (1,), 3.0, 0.7), Scales(7.0, 1.0, (1,), 3.0, 0.7))
_NO_BLOCKS = (Scales(3.0, 0.0, (), 3.0, 0.45), Scales(7.0, 0.0, (), 3.0, 1.0))
_MODEL, _HQ = {"model": "transformer"}, {"sampler": "res_2s"}
_LARGE = Extent(tokens=(6144, 126), channels=(128, 128), context=(4, 128, 128))

DENOISE_CASES = (
    _case("schedule", "shift, stretch and token rule; constants of the release", lambda _: _schedules(), recorded=True),
    _case("small", "all of guidance, and Euler steps", lambda _: _guided()[:1], recorded=True),
    _case("guided", "each guidance term on and off, steps that a stream skips", lambda _: _guided()[1:], drifts=True),
    _case("simple", "no guidance; a stream that is held", lambda _: _held(), options={"guided": False}),
    _case("pairs", "statistics over two samples at once", lambda _: _batched(), options={"max_batch": 2}),
    _case(
        "joined",
        "a joined batch cut in unequal parts",
        lambda _: _guided()[:1],
        options={"max_batch": 3},
        dtypes=(torch.bfloat16,),
    ),
    _case("hq", "both evaluations of res_2s, fresh noise, refinement", lambda _: _second_order(), options=_HQ),
    _case(
        "hq-simple",
        "the second stage of high-quality generation",
        lambda _: [loop("stage_2", STAGE_2)],
        options={**_HQ, "guided": False},
    ),
    _case(
        "model",
        "the transformer inside the guided loop",
        _model((0.909375, 0.421875, 0.0), _TWO_BLOCKS),
        options=_MODEL,
        drifts=True,
    ),
    _case(
        "model-joined",
        "the transformer on a whole joined batch",
        _model((0.909375, 0.421875), _TWO_BLOCKS),
        options={**_MODEL, "max_batch": 4},
        dtypes=(torch.bfloat16,),
    ),
    _case(
        "model-hq",
        "the transformer at a midpoint, whose noise level is float64",
        _model((0.909375, 0.725), _NO_BLOCKS),
        options={**_MODEL, **_HQ},
    ),
    _case(
        "real-latents",
        "statistics over latents of 121 frames at 512x768",
        lambda _: [loop("one_step", (0.909375, 0.725), _LARGE, scales=SCALES)],
        real_size=True,
    ),
    _case(
        "real-width",
        "the transformer at its real width inside the guided loop",
        _model((0.909375, 0.725), _TWO_BLOCKS),
        config="ltx-2.3-22b",
        options=_MODEL,
        dtypes=(torch.bfloat16,),
        real_size=True,
    ),
)
