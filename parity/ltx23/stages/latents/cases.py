"""The cases of the latents: sizes, conditions in every place, two stages."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stage import Case, Pass, Setting, input_seed
from parity.ltx23.stages.latents.passes import Image, LatentsPass, Placing, Size
from parity.ltx23.synthetic.weights import normal_like

VIDEO_CHANNELS, AUDIO_CHANNELS, AUDIO_BINS = 128, 8, 16
# The first noise level of the second stage: not a number that a binary float holds.
STAGE_TWO = 0.909375


def drawn(label: str, *shape: int) -> Tensor:
    """Draw numbers that bfloat16 holds, so that every precision starts from the same ones."""
    flat = normal_like(input_seed(), f"latents.{label}", 0, torch.Size(shape).numel(), torch.device("cpu"))
    return flat.view(shape).to(torch.bfloat16).float()


def image(size: Size, frame: int, strength: float, placing: Placing = Placing.BY_FRAME, frames: int = 1) -> Image:
    """Give an encoded image for a clip; samples of a batch differ."""
    label = f"image.{frame}.{placing.value}.{frames}"
    return Image(drawn(label, size.batch, VIDEO_CHANNELS, frames, *size.latent[1:]), frame, strength, placing)


def _initial(size: Size) -> dict[str, Any]:
    return {
        "initial_video": drawn("video", size.batch, VIDEO_CHANNELS, *size.latent),
        "initial_audio": drawn("audio", size.batch, AUDIO_CHANNELS, size.audio_frames, AUDIO_BINS),
    }


SMALLEST = Size(frames=9, height=64, width=64, fps=24.0)
SMALL = Size(frames=17, height=64, width=96, fps=25.0)


def _small() -> list[LatentsPass]:
    """One of each: text alone, images in both places, and the second stage with both."""
    images = (image(SMALLEST, 0, 0.8), image(SMALLEST, 8, 0.7))
    return [
        LatentsPass("text", SMALLEST, seed=1),
        LatentsPass("images", SMALLEST, images, seed=2),
        LatentsPass("stage2", SMALLEST, images, **_initial(SMALLEST), noise_scale=STAGE_TWO, seed=3),
    ]


def _recorded(setting: Setting) -> list[Pass]:
    """The same on the host; in float32 with its noise, in bfloat16 without, over an earlier latent.

    The noise of a seed in float32 is the same on CPUs with AVX2 and from torch 2.11 to 2.13. In bfloat16 torch 2.11
    draws another sample than 2.13 does.
    """
    passes = [replace(one, host=True) for one in _small()]
    if setting.dtype is not torch.float32:
        passes = [replace(one, **_initial(SMALLEST), noise_scale=0.0) for one in passes if one.images]
    return [one.to(setting.dtype) for one in passes]


def _sizes() -> list[LatentsPass]:
    """Frame counts and aspect ratios, odd latent sizes, rates that divide nothing evenly."""
    sizes = (
        Size(1, 32, 32, 24),
        Size(17, 96, 160, 22.0),
        Size(25, 64, 96, 30),
        Size(33, 160, 32, 50),
        Size(9, 32, 224, 24000 / 1001),
        Size(41, 32, 96, 30000 / 1001),
        # 12.5 audio frames: rounded half to even.
        Size(25, 32, 32, 50.0, batch=2),
    )
    return [LatentsPass(f"size{index}", size, seed=10 + index) for index, size in enumerate(sizes)]


def _replaced() -> list[LatentsPass]:
    replacing = Placing.REPLACING
    return [
        LatentsPass("first", SMALL, (image(SMALL, 0, 1.0),), seed=20),
        LatentsPass("half", SMALL, (image(SMALL, 0, 0.35),), seed=21),
        LatentsPass("later", SMALL, (image(SMALL, 2, 0.6, replacing), image(SMALL, 0, 1.0, replacing)), seed=22),
        # The second lies over part of the first.
        LatentsPass("many", SMALL, (image(SMALL, 0, 0.9, replacing, 2), image(SMALL, 1, 0.2, replacing)), seed=23),
    ]


def _appended() -> list[LatentsPass]:
    appended = Placing.APPENDED
    return [
        LatentsPass("later", SMALL, (image(SMALL, 8, 1.0),), seed=30),
        LatentsPass("start", SMALL, (image(SMALL, 0, 0.7, appended, 2),), seed=31),
        LatentsPass("three", SMALL, tuple(image(SMALL, at, 1 - at / 20, appended, 1 + at // 9) for at in (3, 11, 16)),
                    seed=32),
    ]  # fmt: skip


def _both() -> list[LatentsPass]:
    pair, late = Size(17, 64, 96, 30.0, batch=2), Placing.REPLACING
    return [
        LatentsPass("images", SMALL, (image(SMALL, 0, 0.8), image(SMALL, 8, 0.7), image(SMALL, 16, 1.0)), seed=40),
        # A replacement behind an appended keyframe must still find its place by the clip's own tokens.
        LatentsPass("replaced_last", SMALL, (image(SMALL, 9, 0.7), image(SMALL, 1, 0.4, late)), seed=41),
        LatentsPass("batch", pair, (image(pair, 0, 0.8), image(pair, 10, 0.7)), seed=42),
    ]


def _stages() -> list[LatentsPass]:
    """Both stages of a two-stage pipeline; the second begins from latents of its own size."""
    full, half = Size(17, 128, 192, 24.0), Size(17, 128, 192, 24.0, halved=True)
    pair = Size(9, 64, 96, 24.0, batch=2)
    strengths = ((0, 0.8), (8, 0.65))
    return [
        LatentsPass("stage1", half, tuple(image(half, *at) for at in strengths), seed=50),
        LatentsPass(
            "stage2",
            full,
            tuple(image(full, *at) for at in strengths),
            **_initial(full),
            noise_scale=STAGE_TWO,
            seed=51,
        ),
        LatentsPass("stage2_text", pair, **_initial(pair), noise_scale=STAGE_TWO, seed=52),
        LatentsPass("lightly", pair, (image(pair, 0, 0.5),), **_initial(pair), noise_scale=0.3, seed=53),
    ]


def _square() -> list[LatentsPass]:
    """As many tokens as channels: a mask that lies along the wrong axis fits."""
    square = Size(25, 128, 256, 24.0)
    assert square.latent == (4, 4, 8)
    return [LatentsPass("square", square, (image(square, 0, 0.8),), seed=60)]


def _real_size() -> list[LatentsPass]:
    size = Size(121, 512, 768, 24.0)
    return [LatentsPass("clip", size, (image(size, 0, 1.0), image(size, 120, 0.7)), seed=70)]


def _case(identifier: str, guards: str, build: Callable[[], list[LatentsPass]], **more: Any) -> Case:
    def passes(setting: Setting) -> list[Pass]:
        return [one.to(setting.dtype) for one in build()]

    return Case(f"latents-{identifier}", guards, passes, **more)


LATENTS_CASES = (
    _case("small", "text alone, images in both places, second stage", _small, drifts=True),
    Case("latents-recorded", "the same, to be recorded: noise in float32, all else in bfloat16", _recorded,
         recorded=True),
    _case("sizes", "frame counts, aspect ratios, rates: sizes, times, the order of tokens", _sizes),
    _case("replaced", "an image in the place of frames: first, later, several, in part", _replaced),
    _case("appended", "keyframes behind the tokens: at the start, later, long, several", _appended),
    _case("both", "replaced and appended together, in either order, two samples", _both, drifts=True),
    _case("stages", "both stages: noise over an earlier latent, with and without images", _stages),
    _case("square", "a mask along the wrong axis: 128 tokens of 128 channels", _square),
    _case("real-size", "121 frames of 512 x 768", _real_size, config="ltx-2.3-22b", real_size=True),
)  # fmt: skip
