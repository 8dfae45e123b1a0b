"""The upsampler's own file: every key with its shape, by rule from its configuration, and how each tensor is filled.

In the checkpoint it needs no more than the video statistics.
"""

import re
from collections.abc import Iterator

from ltx_port.checkpoint.config import CheckpointConfig
from ltx_port.upsampler.config import UpsamplerConfig
from parity.ltx23.synthetic.recipe import BIAS, NORM, Component, Recipe, Row, Shape, fan_in

_VOLUME, _AREA = (3, 3, 3), (3, 3)
_BLOCK = r"(res_blocks|post_upsample_res_blocks)\.\d+\."
_CONVOLUTION = rf"(initial_conv|final_conv|upsampler\.0|{_BLOCK}conv[12])"
_NORM = rf"(initial_norm|{_BLOCK}norm[12])"
_WEIGHT, _NORM_WEIGHT = re.compile(rf"{_CONVOLUTION}\.weight"), re.compile(rf"{_NORM}\.weight")
_BIAS = re.compile(rf"({_CONVOLUTION}|{_NORM})\.bias")


def upsampler_rows(config: UpsamplerConfig) -> Iterator[Row]:
    """Give the keys and shapes of the file, in the order of the data."""
    width = config.mid_channels
    yield from _layer("initial_conv", (width, config.in_channels, *_VOLUME))
    yield from _layer("initial_norm", (width,))
    yield from _blocks("res_blocks", config)
    yield from _layer("upsampler.0", (4 * width, width, *_AREA))
    yield from _blocks("post_upsample_res_blocks", config)
    yield from _layer("final_conv", (config.in_channels, width, *_VOLUME))


def _blocks(name: str, config: UpsamplerConfig) -> Iterator[Row]:
    width = config.mid_channels
    for block in range(config.num_blocks_per_stage):
        for number in (1, 2):
            yield from _layer(f"{name}.{block}.conv{number}", (width, width, *_VOLUME))
            yield from _layer(f"{name}.{block}.norm{number}", (width,))


def _layer(name: str, weight: Shape) -> Iterator[Row]:
    yield f"{name}.weight", weight
    yield f"{name}.bias", weight[:1]


def upsampler_recipe(key: str, shape: Shape) -> Recipe | None:
    """Give the fill of a tensor of the file; None for another key or rank."""
    rank = len(shape)
    if rank in (4, 5) and _WEIGHT.fullmatch(key):
        return fan_in(shape)
    if rank == 1 and _NORM_WEIGHT.fullmatch(key):
        return NORM
    return BIAS if rank == 1 and _BIAS.fullmatch(key) else None


def _statistics(config: CheckpointConfig) -> Iterator[Row]:
    for name in ("std-of-means", "mean-of-means"):
        yield f"vae.per_channel_statistics.{name}", (config.vae.latent_channels,)


def _filled_elsewhere(key: str, shape: Shape) -> None:
    """Leave the fill to the video encoder, whose statistics they are."""


VIDEO_STATISTICS = Component("video_statistics", _statistics, _filled_elsewhere)
