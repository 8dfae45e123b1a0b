"""Faults of the audio autoencoder: each function plants one in a loaded port; its docstring says what is wrong."""

import math
from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltx_port.audio_vae.convolution import CausalConv
from ltx_port.audio_vae.encoder import AudioEncoder, Means
from ltx_port.audio_vae.front_end import LOG_FLOOR, HannWindow, LogFloor, Magnitude, MelFilterBank
from ltx_port.audio_vae.resampling import ROLLOFF, ZERO_CROSSINGS, PhaseFilter, SincKernel, reach
from ltx_port.audio_vae.residual import PixelNorm
from ltx_port.audio_vae.resolution import Downsample, DropFirst, Nearest
from ltx_port.audio_vae.statistics import Normalize, Unnormalize
from parity.ltx23.fault import Faults

AnyModule = TypeVar("AnyModule", bound=nn.Module)
FAULTS = Faults("audio_vae", case="audio-vae-small", forward="decode")
_WAVE: Any = {"forward": "wave_48k"}
_QUIET: Any = {"case": "audio-vae-wave", "forward": "wave_16k"}


def _every(model: nn.Module, kind: type[AnyModule]) -> list[AnyModule]:
    found = [module for module in model.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__} left to plant a fault in"
    return found


def _forward(modules: list[AnyModule], replacement: Callable[..., Any]) -> None:
    for module in modules:
        # On the instance, so that only this model is changed.
        module.forward = MethodType(replacement, module)


@FAULTS.planted(
    "W1",
    first_tap="decoder.up2.upsample.dropped",
    hint="shift: delayed by 1 sample; axis 2 | tensor: decoder.up2.upsample.conv; indices 0..2",
)
def first_frame_kept(model: nn.Module) -> None:
    """Causal upsampling without dropping the first frame, cut at the end instead."""

    def forward(_: DropFirst, x: Tensor) -> Tensor:
        # Cut at once, not after the last level: the reference has no frame to compare the last one with.
        return x[:, :, :-1]

    _forward(_every(model, DropFirst), forward)


@FAULTS.planted("ZA1", first_tap="decoder.unnormalized", hint="per-index: axis 2")
def statistics_bin_major(model: nn.Module) -> None:
    """Statistics read as bin * channels + channel, not channel * bins + bin."""
    channels = model.get_submodule("decoder.unpatchify").channels
    assert isinstance(channels, int)
    for module in _every(model, Unnormalize):
        module.mean = module.mean.view(-1, channels).T.flatten()
        module.std = module.std.view(-1, channels).T.flatten()


@FAULTS.planted("ZA2", first_tap="decoder.entry.padded", hint="shift: advanced by 1 sample; axis 2")
def centred_in_time(model: nn.Module) -> None:
    """Convolutions padded on both sides in time, not in front only."""
    for conv in _every(model, CausalConv):
        conv.pad.time = (1, 1)


@FAULTS.planted("ZA3", first_tap="decoder.mid0.norm_in", hint="per-index: axis 2; axis 3", dtype=torch.float32)
def epsilon_of_the_video_vae(model: nn.Module) -> None:
    """Pixel norm with the video autoencoder's epsilon, 1e-8."""

    def forward(_: PixelNorm, x: Tensor) -> Tensor:
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)

    _forward(_every(model, PixelNorm), forward)


@FAULTS.planted("ZA4", first_tap="decoder.up2.upsample.nearest")
def bilinear(model: nn.Module) -> None:
    """Bilinear interpolation, not nearest neighbour."""

    def forward(_: Nearest, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear")

    _forward(_every(model, Nearest), forward)


@FAULTS.planted("ZA5", first_tap="encoder.entry.conv", **_WAVE)
def swapped_ears(model: nn.Module) -> None:
    """Left and right swapped where the encoder reads them."""
    for encoder in _every(model, AudioEncoder):
        conv = encoder.conv_in.conv
        conv.weight = nn.Parameter(conv.weight.flip(1), requires_grad=False)


@FAULTS.planted(
    "ZA6", first_tap="encoder.down0.downsample.padded", hint="shift: advanced by 2 samples; axis 2", **_WAVE
)
def downsampling_sees_the_future(model: nn.Module) -> None:
    """Strided convolution padded behind in time, as image autoencoders do."""
    for module in _every(model, Downsample):
        module.pad.time = (0, 2)


@FAULTS.planted("ZA7", first_tap="encoder.means", hint="tensor: encoder.exit.conv; indices 2..3", **_WAVE)
def variances_for_means(model: nn.Module) -> None:
    """The second half of the moments taken, the log-variances."""

    def forward(_: Means, moments: Tensor) -> Tensor:
        return torch.chunk(moments, 2, dim=1)[1]

    _forward(_every(model, Means), forward)


@FAULTS.planted("ZA8", first_tap="encoder.normalized", hint="per-index: axis 2", **_WAVE)
def mean_in_other_units(model: nn.Module) -> None:
    """Latent divided by its deviation before, not after, its mean is taken off."""

    def forward(self: Normalize, tokens: Tensor) -> Tensor:
        return tokens / self.std - self.mean

    _forward(_every(model, Normalize), forward)


@FAULTS.planted("ZA9", first_tap="front_end.sinc_kernel", **_WAVE)
def kaiser_window(model: nn.Module) -> None:
    """Resampling filters under a Kaiser window, not Hann."""

    def forward(_: SincKernel, source: int, target: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        cutoff, width = min(source, target) * ROLLOFF, reach(source, target)
        taps = torch.arange(-width, width + source, dtype=dtype, device=device)[None, None] / source
        phases = torch.arange(0, -target, -1, dtype=dtype, device=device)[:, None, None] / target
        time = ((phases + taps) * cutoff).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
        beta = torch.tensor(14.77, dtype=dtype, device=device)
        window = torch.i0(beta * torch.sqrt(1 - (time / ZERO_CROSSINGS) ** 2)) / torch.i0(beta)
        return torch.sinc(time) * window * (cutoff / source)

    _forward(_every(model, SincKernel), forward)


@FAULTS.planted(
    "ZA10", first_tap="front_end.resampled", hint="layout: 160; axis 2", case="audio-vae-wave", forward="wave_44k1"
)
def phases_not_interleaved(model: nn.Module) -> None:
    """Resampled phases put one behind the other, not interleaved."""
    exact = PhaseFilter.forward

    def forward(self: PhaseFilter, waveform: Tensor, kernel: Tensor, source: int) -> Tensor:
        right = exact(self, waveform, kernel, source)
        phases = kernel.shape[0]
        padded = F.pad(right, (0, -right.shape[-1] % phases))
        return padded.unflatten(-1, (-1, phases)).transpose(-1, -2).flatten(-2)[..., : right.shape[-1]]

    _forward(_every(model, PhaseFilter), forward)


@FAULTS.planted("ZA11", first_tap="front_end.window", **_WAVE)
def symmetric_window(model: nn.Module) -> None:
    """Symmetric Hann window, not the periodic one."""

    def forward(self: HannWindow, device: torch.device) -> Tensor:
        return torch.hann_window(self.size, periodic=False, dtype=torch.float32).to(device)

    _forward(_every(model, HannWindow), forward)


@FAULTS.planted("ZA12", first_tap="front_end.magnitude", hint="function: square of the reference", **_WAVE)
def power_spectrum(model: nn.Module) -> None:
    """Power of the spectrum, not its magnitude."""
    exact = Magnitude.forward

    def forward(self: Magnitude, waveform: Tensor, window: Tensor) -> Tensor:
        return exact(self, waveform, window).square()

    _forward(_every(model, Magnitude), forward)


@FAULTS.planted("ZA13", first_tap="front_end.magnitude", hint="edges: axis 3", **_WAVE)
def silent_edges(model: nn.Module) -> None:
    """Edges of the waveform padded with silence, not reflected."""
    exact = Magnitude.forward

    def forward(self: Magnitude, waveform: Tensor, window: Tensor) -> Tensor:
        # Whole hops of silence on each side, whose own edges are cut off again.
        hops = -(-window.shape[0] // 2 // self.hop)
        silent = F.pad(waveform, (hops * self.hop, hops * self.hop))
        frames = 1 + waveform.shape[-1] // self.hop
        return exact(self, silent, window)[..., hops : hops + frames]

    _forward(_every(model, Magnitude), forward)


@FAULTS.planted("ZA14", first_tap="front_end.mel_filters", hint="per-index: axis 1", **_WAVE)
def unit_height(model: nn.Module) -> None:
    """Mel filters of unit height, not of unit area."""
    exact = MelFilterBank.forward

    def forward(self: MelFilterBank, device: torch.device) -> Tensor:
        corners = self._corners()
        return exact(self, device) * ((corners[2:] - corners[:-2]) / 2).to(device)

    _forward(_every(model, MelFilterBank), forward)


@FAULTS.planted("ZA15", first_tap="front_end.mel_filters", **_WAVE)
def htk_scale(model: nn.Module) -> None:
    """HTK's mel scale, not Slaney's."""

    def corners(self: MelFilterBank) -> Tensor:
        mels = torch.linspace(0.0, 2595.0 * math.log10(1 + self.rate / 2 / 700.0), self.bins + 2)
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)

    for module in _every(model, MelFilterBank):
        module._corners = MethodType(corners, module)  # type: ignore[method-assign]


@FAULTS.planted("ZA16", first_tap="front_end.log_mel", hint="factor: 0.434294", **_QUIET)
def decimal_logarithm(model: nn.Module) -> None:
    """Decimal logarithm, not the natural one."""
    exact = LogFloor.forward

    def forward(self: LogFloor, mel: Tensor, dtype: torch.dtype) -> Tensor:
        return exact(self, mel, dtype) / math.log(10.0)

    _forward(_every(model, LogFloor), forward)


@FAULTS.planted(
    "ZA17",
    first_tap="front_end.log_mel",
    hint="function: exponential of it; exponential of the reference; 1e-05",
    **_QUIET,
)
def floor_added(model: nn.Module) -> None:
    """Floor of the logarithm added, not clamped at."""

    def forward(_: LogFloor, mel: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.log(mel + LOG_FLOOR).to(dtype).transpose(2, 3).contiguous()

    _forward(_every(model, LogFloor), forward)
