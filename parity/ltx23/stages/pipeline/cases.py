"""Whole generations: every route, from a prompt alone and with pictures, seeds and sizes that differ."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from parity.ltx23.stage import SEED, Case, Setting, input_seed
from parity.ltx23.stages.denoise.passes import Scales
from parity.ltx23.stages.pipeline.passes import Generation, Placed
from parity.ltx23.synthetic.components import COMPONENTS
from parity.ltx23.synthetic.model_folder import CONFIG

PROMPT = "  A slow camera over the sea; wind, and light music.\n"
NEGATIVE = "blurry, low quality; no music!"
# All terms at work and nothing shared by the streams; the blocks are those of the tiny model.
SCALES = (Scales(3.0, 1.0, (1,), 3.0, 0.7), Scales(7.0, 1.0, (0,), 2.5, 0.45))
HQ_SCALES = (Scales(3.0, 0.0, (), 3.0, 0.45), Scales(7.0, 0.0, (), 3.0, 1.0))
# At frame 0 it replaces latents, later it appends tokens; compressed as by default, and not at all.
PICTURES = (Placed(0, 0.9, 33), Placed(5, 0.6, 0))


@dataclass(frozen=True)
class Size:
    """Frames, height, width, frames a second."""

    frames: int
    height: int
    width: int
    fps: float


SMALLEST = Size(9, 64, 128, 50.0)
PORTRAIT = Size(17, 128, 64, 24.0)
# Longer than a tile of either release, so that decoding blends two.
LONG = Size(81, 64, 64, 60.0)


def _generation(name: str, route: str, size: Size, seed: int, **more: Any) -> Generation:
    scales = HQ_SCALES if route == "hq" else SCALES
    own = seed + input_seed() - SEED
    return Generation(
        name, route, PROMPT, NEGATIVE, own, size.frames, size.height, size.width, size.fps, 3, scales, **more
    )


def _passes(route: str) -> Callable[[Setting], list[Generation]]:
    def build(setting: Setting) -> list[Generation]:
        return [
            _generation("text", route, SMALLEST, 10),
            _generation("picture", route, PORTRAIT, 11, pictures=PICTURES),
        ]

    return build


def _others(route: str) -> Callable[[Setting], list[Generation]]:
    """Give the same with seeds and sizes exchanged."""

    def build(setting: Setting) -> list[Generation]:
        return [
            _generation("text", route, PORTRAIT, 11),
            _generation("picture", route, SMALLEST, 10, pictures=PICTURES[:1]),
        ]

    return build


def _long(setting: Setting) -> list[Generation]:
    return [replace(_generation("long", "two-stage", LONG, 10), steps=2)]


def _small(route: str) -> Callable[[Setting], list[Generation]]:
    def build(setting: Setting) -> list[Generation]:
        size = replace(SMALLEST, width=64)
        generation = _generation("small", route, size, 12, pictures=PICTURES[:1], portable_noise=True)
        return [replace(generation, steps=2)]

    return build


def _case(route: str, name: str, guards: str, build: Any, **more: Any) -> Case:
    distilled = {"two-stage": 0.8, "hq": 1.0}.get(route, 0.0)
    options = {"route": route, "distilled_lora": distilled, "lora": 0.6 if route in ("two-stage", "distilled") else 0.0}
    return Case(
        f"pipeline-{name}",
        guards,
        build,
        config=CONFIG,
        components=tuple(COMPONENTS),
        # The official pipelines compute in bfloat16, whatever they are asked.
        dtypes=(torch.bfloat16,),
        options=options,
        **more,
    )


PIPELINE_CASES = (
    *(
        _case(route, route, f"all that stands between the stages of {route} generation", _passes(route))
        for route in ("two-stage", "one-stage", "distilled", "hq")
    ),
    *(
        _case(route, f"{route}-more", "another seed, at another size", _others(route), thorough=True)
        for route in ("two-stage", "one-stage", "distilled", "hq")
    ),
    _case("two-stage", "long", "a clip that is decoded in tiles", _long, thorough=True),
    *(
        _case(route, f"{route}-small", "whole generation, on other machines and releases", _small(route), recorded=True)
        for route in ("two-stage", "hq")
    ),
)
