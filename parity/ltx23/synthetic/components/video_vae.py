"""The video encoder and decoder: every key with its shape, by rule from the configuration, and how each is filled."""

import math
import re
from collections.abc import Iterator

from ltx_port.checkpoint.config import CheckpointConfig
from parity.ltx23.synthetic.recipe import BIAS, Component, Recipe, Row, Shape, fan_in

_KERNEL = (3, 3, 3)
_WIDEST = 8
_STRIDES = {"space": (1, 2, 2), "time": (2, 1, 1), "all": (2, 2, 2)}
_STATISTICS = "vae.per_channel_statistics."
_CONVOLUTION = (
    r"vae\.(encoder|decoder)\.(conv_(in|out)|(down|up)_blocks\.\d+\.(conv|res_blocks\.\d+\.conv[12]))\.conv\."
)
_WEIGHT, _BIAS = re.compile(_CONVOLUTION + "weight"), re.compile(_CONVOLUTION + "bias")
# Far from 0 and 1, so that a latent that skips them shows; real ones are of this size.
_MEAN = Recipe("statistic", 0.1, 0.4)
_STD = Recipe("statistic", 1.2, 0.25)


def _encoder(config: CheckpointConfig) -> Iterator[Row]:
    part, prefix = config.vae, "vae.encoder."
    yield from _statistics(part.latent_channels)
    channels = part.latent_channels
    yield from _convolution(f"{prefix}conv_in", channels, part.in_channels * part.patch_size**2)
    for index, (kind, parameters) in enumerate(part.encoder_blocks):
        block = f"{prefix}down_blocks.{index}."
        if kind == "res_x":
            yield from _residual(block, parameters["num_layers"], channels)
        else:
            wider = channels * parameters["multiplier"]
            yield from _convolution(f"{block}conv", wider // _box(kind), channels)
            channels = wider
    yield from _convolution(f"{prefix}conv_out", part.latent_channels + 1, channels)


def _decoder(config: CheckpointConfig) -> Iterator[Row]:
    part, prefix = config.vae, "vae.decoder."
    yield from _statistics(part.latent_channels)
    channels = part.decoder_base_channels * _WIDEST
    yield from _convolution(f"{prefix}conv_in", channels, part.latent_channels)
    for index, (kind, parameters) in enumerate(reversed(part.decoder_blocks)):
        block = f"{prefix}up_blocks.{index}."
        if kind == "res_x":
            yield from _residual(block, parameters["num_layers"], channels)
        else:
            multiplier = parameters["multiplier"]
            yield from _convolution(f"{block}conv", channels * _box(kind) // multiplier, channels)
            channels //= multiplier
    yield from _convolution(f"{prefix}conv_out", part.out_channels * part.patch_size**2, channels)


def _statistics(channels: int) -> Iterator[Row]:
    yield f"{_STATISTICS}std-of-means", (channels,)
    yield f"{_STATISTICS}mean-of-means", (channels,)


def _residual(block: str, depth: int, channels: int) -> Iterator[Row]:
    for index in range(depth):
        for name in ("conv1", "conv2"):
            yield from _convolution(f"{block}res_blocks.{index}.{name}", channels, channels)


def _convolution(name: str, outputs: int, inputs: int) -> Iterator[Row]:
    yield f"{name}.conv.weight", (outputs, inputs, *_KERNEL)
    yield f"{name}.conv.bias", (outputs,)


def _box(kind: str) -> int:
    return math.prod(_STRIDES[kind.split("_")[1]])


def _recipe(key: str, shape: Shape) -> Recipe | None:
    rank = len(shape)
    if rank == 5 and _WEIGHT.fullmatch(key):
        return fan_in(shape)
    if rank == 1 and _BIAS.fullmatch(key):
        return BIAS
    if rank == 1 and key.startswith(_STATISTICS):
        return {"mean-of-means": _MEAN, "std-of-means": _STD}.get(key.removeprefix(_STATISTICS))
    return None


VIDEO_ENCODER = Component("video_encoder", _encoder, _recipe)
VIDEO_DECODER = Component("video_decoder", _decoder, _recipe)
