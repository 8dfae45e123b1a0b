"""The vocoder: every key with its shape, by rule from the configuration, and how each tensor is filled."""

import math
import re
from collections.abc import Iterator
from functools import partial

from ltx_port.checkpoint.audio_config import GeneratorConfig
from ltx_port.checkpoint.config import CheckpointConfig
from parity.ltx23.synthetic.recipe import BIAS, Component, Recipe, Row, Shape, fan_in
from parity.ltx23.synthetic.transforms import fourier_basis, low_pass, mel_basis

_PREFIX = "vocoder."
_END_KERNEL, _FILTER_TAPS, _SIDES = 7, 12, 2

_GENERATOR = r"vocoder\.(vocoder|bwe_generator)\."
_ACTIVATION = rf"{_GENERATOR}(act_post|resblocks\.\d+\.acts[12]\.\d+)\."
_FILTER = re.compile(rf"{_ACTIVATION}(upsample|downsample\.lowpass)\.filter")
_SNAKE = re.compile(rf"{_ACTIVATION}act\.(alpha|beta)")
_LAYER = rf"{_GENERATOR}(conv_pre|ups\.\d+|resblocks\.\d+\.convs[12]\.\d+)"
_BIAS = re.compile(rf"{_LAYER}\.bias")
_TRANSPOSED = re.compile(rf"{_GENERATOR}ups\.\d+\.weight")
_CONVOLUTION = re.compile(rf"{_LAYER}\.weight")
_LAST = re.compile(rf"{_GENERATOR}conv_post\.weight")
_BASIS = f"{_PREFIX}mel_stft.mel_basis"
_FORWARD, _INVERSE = (f"{_PREFIX}mel_stft.stft_fn.{way}_basis" for way in ("forward", "inverse"))

# Logarithms of frequency and strength: far enough from 0 for a missing exponential to show.
_LOG_SCALE = Recipe("log scale", 0.0, 0.3)
# Each output of a transposed convolution sums about two taps of every input channel.
_TAPS_PER_OUTPUT = 2
# The activations that reach the last layer have grown through all stages; this keeps most samples within -1 .. 1.
_LAST_GAIN = 0.05


def _vocoder(config: CheckpointConfig) -> Iterator[Row]:
    bwe = config.vocoder.bwe
    frequencies = bwe.n_fft // 2 + 1
    for name, part in (("vocoder", config.vocoder.vocoder), ("bwe_generator", bwe)):
        for key, shape in _generator(part, bwe.num_mels):
            yield f"{_PREFIX}{name}.{key}", shape
    yield _BASIS, (bwe.num_mels, frequencies)
    yield _FORWARD, (2 * frequencies, 1, bwe.n_fft)
    yield _INVERSE, (2 * frequencies, 1, bwe.n_fft)


def _generator(part: GeneratorConfig, mel_bins: int) -> Iterator[Row]:
    widths = [part.upsample_initial_channel >> index for index in range(len(part.upsample_rates) + 1)]
    yield from _layer("conv_pre", (widths[0], _SIDES * mel_bins, _END_KERNEL), widths[0])
    for stage, kernel in enumerate(part.upsample_kernel_sizes):
        yield from _layer(f"ups.{stage}", (widths[stage], widths[stage + 1], kernel), widths[stage + 1])
    blocks = [
        (width, kernel, dilations)
        for width in widths[1:]
        for kernel, dilations in zip(part.resblock_kernel_sizes, part.resblock_dilation_sizes, strict=True)
    ]
    for index, (width, kernel, dilations) in enumerate(blocks):
        for way in (1, 2):
            for layer in range(len(dilations)):
                yield from _layer(f"resblocks.{index}.convs{way}.{layer}", (width, width, kernel), width)
                yield from _activation(f"resblocks.{index}.acts{way}.{layer}", width)
    yield from _activation("act_post", widths[-1])
    yield "conv_post.weight", (_SIDES, widths[-1], _END_KERNEL)


def _layer(name: str, shape: Shape, outputs: int) -> Iterator[Row]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", (outputs,)


def _activation(name: str, width: int) -> Iterator[Row]:
    yield f"{name}.act.alpha", (width,)
    yield f"{name}.act.beta", (width,)
    yield f"{name}.upsample.filter", (1, 1, _FILTER_TAPS)
    yield f"{name}.downsample.lowpass.filter", (1, 1, _FILTER_TAPS)


def _recipe(key: str, shape: Shape) -> Recipe | None:
    return _of_vector(key) if len(shape) == 1 else _of_kernel(key, shape)


def _of_vector(key: str) -> Recipe | None:
    if _SNAKE.fullmatch(key):
        return _LOG_SCALE
    return BIAS if _BIAS.fullmatch(key) else None


def _of_kernel(key: str, shape: Shape) -> Recipe | None:
    if key == _BASIS and len(shape) == 2:
        return Recipe("transform", 0.0, 1.0, partial(mel_basis, key))
    if len(shape) != 3:
        return None
    if _FILTER.fullmatch(key):
        return Recipe("filter", 0.0, 1.0, partial(low_pass, key))
    if key in (_FORWARD, _INVERSE):
        # The inverse is used by nothing; it is filled like the other so that taking it by mistake shows.
        return Recipe("transform", 0.0, 1.0, partial(fourier_basis, key))
    if _TRANSPOSED.fullmatch(key):
        return Recipe("convolution", 0.0, 1 / math.sqrt(_TAPS_PER_OUTPUT * shape[0]))
    if _LAST.fullmatch(key):
        return Recipe("convolution", 0.0, _LAST_GAIN * fan_in(shape).scale)
    return fan_in(shape) if _CONVOLUTION.fullmatch(key) else None


VOCODER = Component("vocoder", _vocoder, _recipe)
