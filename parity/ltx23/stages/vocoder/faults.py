"""Faults of the vocoder: each function plants one in a loaded port, and its docstring says what is then wrong."""

import math
from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltx_port.vocoder import SoundDecoder
from ltx_port.vocoder.generator import Clip, Generator, KernelMean
from ltx_port.vocoder.resample import Downsample, SkipResampler
from ltx_port.vocoder.snake import SnakeBeta
from ltx_port.vocoder.spectrum import CausalPad, LogCompression
from parity.ltx23.fault import Faults

AnyModule = TypeVar("AnyModule", bound=nn.Module)
FAULTS = Faults("vocoder", case="vocoder-small", forward="clip_bfloat16")
_FIRST_LAYER = "base.stage00.block0.layer0"


def _every(model: nn.Module, kind: type[AnyModule]) -> list[AnyModule]:
    found = [module for module in model.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__} left to plant a fault in"
    return found


def _forward(modules: Iterable[nn.Module], replacement: Callable[..., Any]) -> None:
    for module in modules:
        # On the instance, so that only this model is changed.
        module.forward = MethodType(replacement, module)


def _activations_in(model: SoundDecoder, precision: torch.dtype) -> None:
    def forward(self: SnakeBeta, x: Tensor) -> Tensor:
        wide, alpha, beta = (t.to(precision) for t in (x, self.alpha, self.beta))
        frequency, strength = (torch.exp(t)[None, :, None] for t in (alpha, beta))
        return (wide + (1 / (strength + 1e-9)) * torch.sin(wide * frequency).pow(2)).to(x.dtype)

    _forward(_every(model, SnakeBeta), forward)


@FAULTS.planted(
    "W7",
    first_tap=f"{_FIRST_LAYER}.snake_in.snake",
    hint="rounding: bfloat16",
    forward="clip_float32",
    suite="recorded",
    release="1.2.0",
)
def activations_in_bfloat16(model: SoundDecoder) -> None:
    """Activations computed in bfloat16 where the release computes in float32."""
    _activations_in(model, torch.bfloat16)


@FAULTS.planted("ZW1", first_tap=f"{_FIRST_LAYER}.snake_in.snake", hint="rounding")
def activations_in_float32(model: SoundDecoder) -> None:
    """Activations computed in float32 where the release computes in bfloat16."""
    _activations_in(model, torch.float32)


@FAULTS.planted("W9", first_tap="skip")
def kaiser_resampler(model: SoundDecoder) -> None:
    """Skip resampled through 18 Kaiser-windowed taps, not 43 Hann-windowed ones."""

    def forward(self: SkipResampler, x: Tensor) -> Tensor:
        ratio, taps = self.ratio, 6 * self.ratio
        edge = taps // ratio - 1
        attenuation = 2.285 * (taps // 2 - 1) * math.pi * 4 * 0.6 / ratio + 7.95
        window = torch.kaiser_window(taps, periodic=False, beta=0.1102 * (attenuation - 8.7))
        sinc = torch.sinc((torch.arange(taps) - taps / 2 + 0.5) / ratio) * window
        kernel = (sinc / sinc.sum()).to(x).expand(x.shape[1], 1, -1)
        x = F.pad(x, (edge, edge), mode="replicate")
        x = ratio * F.conv_transpose1d(x, kernel, stride=ratio, groups=x.shape[1])
        left = edge * ratio + (taps - ratio) // 2
        return x[..., left : left + (x.shape[-1] - taps + ratio - 2 * edge * ratio)]

    _forward(_every(model, SkipResampler), forward)


@FAULTS.planted("W10", first_tap="base.stage00.upsample")
def flipped_kernels(model: SoundDecoder) -> None:
    """Kernels of the transposed convolutions reversed in time."""
    for layer in _every(model, nn.ConvTranspose1d):
        layer.weight = nn.Parameter(layer.weight.flip(-1), requires_grad=False)


@FAULTS.planted("ZW2", first_tap=f"{_FIRST_LAYER}.snake_in.snake")
def swapped_scales(model: SoundDecoder) -> None:
    """Frequency and strength of the activation swapped."""
    for snake in _every(model, SnakeBeta):
        snake.alpha, snake.beta = snake.beta, snake.alpha


@FAULTS.planted("ZW3", first_tap=f"{_FIRST_LAYER}.snake_in.snake", hint="per-index: axis 1")
def strength_not_exponentiated(model: SoundDecoder) -> None:
    """Strength of the activation read as a factor, not as a logarithm."""

    def forward(self: SnakeBeta, x: Tensor) -> Tensor:
        frequency, strength = torch.exp(self.alpha)[None, :, None], self.beta[None, :, None]
        return x + (1.0 / (strength + 1e-9)) * torch.sin(x * frequency).pow(2)

    _forward(_every(model, SnakeBeta), forward)


@FAULTS.planted("ZW4", first_tap="base.stage00.mean", hint="factor: 3")
def summed_blocks(model: SoundDecoder) -> None:
    """Blocks of a stage added up, not averaged."""

    def forward(_: KernelMean, outputs: list[Tensor]) -> Tensor:
        return torch.stack(outputs).sum(dim=0)

    _forward(_every(model, KernelMean), forward)


@FAULTS.planted("ZW5", first_tap="bwe.padded", hint="shift: advanced by 27 samples; axis 2")
def centred_windows(model: SoundDecoder) -> None:
    """Waveform padded on both sides of the transform, not in front only."""

    def forward(self: CausalPad, wave: Tensor) -> Tensor:
        half = self.samples // 2
        return F.pad(wave.unsqueeze(1), (half, self.samples - half))

    _forward(_every(model, CausalPad), forward)


@FAULTS.planted("ZW6", first_tap="bwe.log_mel", hint="factor: 0.434294")
def decimal_logarithm(model: SoundDecoder) -> None:
    """Mel bins compressed by the decimal logarithm, not the natural one."""

    def forward(_: LogCompression, mel: Tensor) -> Tensor:
        return torch.log10(torch.clamp(mel, min=1e-5))

    _forward(_every(model, LogCompression), forward)


@FAULTS.planted(
    "ZW7",
    first_tap="base.wave",
    hint="function: above 1 | function: below -1",
    case="vocoder-clips",
    forward="loud_bfloat16",
)
def unclipped_waveform(model: SoundDecoder) -> None:
    """First waveform handed on without its clamp."""

    def forward(_: Clip, x: Tensor) -> Tensor:
        return x

    _forward([model.vocoder.clip], forward)


@FAULTS.planted("ZW8", first_tap=f"{_FIRST_LAYER}.snake_in.down", hint="shift: delayed by; 0.5; axis 2")
def late_downsampling(model: SoundDecoder) -> None:
    """Halving of the rate one sample out of phase."""

    def forward(self: Downsample, x: Tensor) -> Tensor:
        channels, taps = x.shape[1], self.filter.shape[-1]
        x = F.pad(x, (taps // 2, taps // 2 - 1), mode="replicate")
        return F.conv1d(x, self.filter.expand(channels, -1, -1), stride=2, groups=channels)

    _forward(_every(model, Downsample), forward)


@FAULTS.planted("ZW9", first_tap="base.mel", hint="layout: axis 1")
def interleaved_channels(model: SoundDecoder) -> None:
    """Left and right bins of the mel frames interleaved, not one after the other."""
    exact = Generator.forward

    def forward(self: Generator, mel: Tensor) -> Tensor:
        bins = mel.shape[-1]
        return exact(self, mel.permute(0, 2, 3, 1).reshape(len(mel), -1, 2, bins).transpose(1, 2))

    _forward(_every(model, Generator), forward)


@FAULTS.planted(
    "ZW10", first_tap="clipped", hint="function: hyperbolic tangent", case="vocoder-clips", forward="loud_bfloat16"
)
def soft_clipping(model: SoundDecoder) -> None:
    """Sound limited by tanh, not by a clamp."""

    def forward(_: Clip, x: Tensor) -> Tensor:
        return torch.tanh(x)

    _forward([model.vocoder.extension.clip], forward)
