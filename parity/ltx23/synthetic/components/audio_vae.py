"""The audio encoder and decoder: every key with its shape, by rule from the configuration, and how each is filled."""

import re
from collections.abc import Iterator

from ltx_port.checkpoint.audio_config import AudioLatentConfig
from ltx_port.checkpoint.config import CheckpointConfig
from parity.ltx23.synthetic.recipe import BIAS, Component, Recipe, Row, Shape, fan_in

_PREFIX = "audio_vae."
_KERNEL, _POINT = 3, 1

_BLOCK = r"(mid\.block_[12]|(up|down)\.\d+\.block\.\d+)\.(conv[12]|nin_shortcut)"
_RESAMPLING = r"down\.\d+\.downsample|up\.\d+\.upsample\.conv"
_LAYER = rf"audio_vae\.(encoder|decoder)\.(conv_in|conv_out|{_BLOCK}|{_RESAMPLING})\.conv"
_WEIGHT = re.compile(rf"{_LAYER}\.weight")
_BIAS = re.compile(rf"{_LAYER}\.bias")
_STATISTICS = f"{_PREFIX}per_channel_statistics."
# Neither 0 nor 1, and different in every channel: statistics left out, or taken over another axis, must show.
_STD = Recipe("statistics", 1.0, 0.2)
_MEAN = Recipe("statistics", 0.0, 0.5)


def _encoder(config: CheckpointConfig) -> Iterator[Row]:
    part = config.audio_vae.model.params.ddconfig
    widths = [part.ch * factor for factor in (1, *part.ch_mult)]
    yield from _statistics(part)
    yield from _convolution("encoder.conv_in", part.ch, part.in_channels)
    for level in range(len(part.ch_mult)):
        name = f"encoder.down.{level}"
        yield from _blocks(name, widths[level], widths[level + 1], part.num_res_blocks)
        if level < len(part.ch_mult) - 1:
            yield from _convolution(f"{name}.downsample", widths[level + 1], widths[level + 1])
    yield from _middle("encoder", widths[-1])
    yield from _convolution("encoder.conv_out", 2 * part.z_channels, widths[-1])


def _decoder(config: CheckpointConfig) -> Iterator[Row]:
    part = config.audio_vae.model.params.ddconfig
    widths = [part.ch * factor for factor in (*part.ch_mult, part.ch_mult[-1])]
    yield from _statistics(part)
    yield from _convolution("decoder.conv_in", widths[-1], part.z_channels)
    yield from _middle("decoder", widths[-1])
    for level in range(len(part.ch_mult)):
        name = f"decoder.up.{level}"
        yield from _blocks(name, widths[level + 1], widths[level], part.num_res_blocks + 1)
        if level > 0:
            yield from _convolution(f"{name}.upsample.conv", widths[level], widths[level])
    yield from _convolution("decoder.conv_out", part.out_ch, widths[0])


def _statistics(part: AudioLatentConfig) -> Iterator[Row]:
    yield f"{_STATISTICS}std-of-means", (part.ch,)
    yield f"{_STATISTICS}mean-of-means", (part.ch,)


def _middle(half: str, width: int) -> Iterator[Row]:
    for number in (1, 2):
        yield from _block(f"{half}.mid.block_{number}", width, width)


def _blocks(level: str, before: int, width: int, count: int) -> Iterator[Row]:
    for index in range(count):
        yield from _block(f"{level}.block.{index}", width if index else before, width)


def _block(name: str, before: int, width: int) -> Iterator[Row]:
    yield from _convolution(f"{name}.conv1", width, before)
    yield from _convolution(f"{name}.conv2", width, width)
    if before != width:
        yield from _convolution(f"{name}.nin_shortcut", width, before, _POINT)


def _convolution(name: str, outputs: int, inputs: int, kernel: int = _KERNEL) -> Iterator[Row]:
    yield f"{_PREFIX}{name}.conv.weight", (outputs, inputs, kernel, kernel)
    yield f"{_PREFIX}{name}.conv.bias", (outputs,)


def _recipe(key: str, shape: Shape) -> Recipe | None:
    rank = len(shape)
    if rank == 4 and _WEIGHT.fullmatch(key):
        return fan_in(shape)
    if rank == 1 and _BIAS.fullmatch(key):
        return BIAS
    if rank == 1 and key.startswith(_STATISTICS):
        return {"std-of-means": _STD, "mean-of-means": _MEAN}.get(key.removeprefix(_STATISTICS))
    return None


AUDIO_ENCODER = Component("audio_encoder", _encoder, _recipe)
AUDIO_DECODER = Component("audio_decoder", _decoder, _recipe)
