"""Changing the sampling rate by windowed-sinc interpolation, as torchaudio does.

torchaudio itself would be the better choice, but its wheel cannot be imported beside a CPU build of torch, so its
default resampler is written out here, in the same order of operations: `sinc_interp_hann`, width 6, rolloff 0.99.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

ZERO_CROSSINGS = 6
ROLLOFF = 0.99


def reach(source: int, target: int) -> int:
    """Give how many samples a filter reaches to each side, for rates without a common divisor."""
    return math.ceil(ZERO_CROSSINGS * source / (min(source, target) * ROLLOFF))


class SincKernel(nn.Module):
    """The filters that make `target` samples out of every `source` samples: one for each phase."""

    def forward(
        self, source: int, target: int, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "target 1 taps"]:
        """Give the filters, computed in `dtype` on `device` throughout: their rounding is part of the result."""
        cutoff = min(source, target) * ROLLOFF
        width = reach(source, target)
        taps = torch.arange(-width, width + source, dtype=dtype, device=device)[None, None] / source
        phases = torch.arange(0, -target, -1, dtype=dtype, device=device)[:, None, None] / target
        time = ((phases + taps) * cutoff).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
        # Divided twice, not once by 12: in a low precision the two differ.
        window = torch.cos(time * math.pi / ZERO_CROSSINGS / 2) ** 2
        angle = time * math.pi
        sinc = torch.where(angle == 0, torch.ones_like(angle), angle.sin() / angle)
        return sinc * (window * (cutoff / source))


class PhaseFilter(nn.Module):
    """Runs all filters over the waveform and interleaves what they give."""

    def forward(
        self,
        waveform: Float[Tensor, "batch audio_channels samples"],
        kernel: Float[Tensor, "target 1 taps"],
        source: int,
    ) -> Float[Tensor, "batch audio_channels resampled"]:
        """Give ceil(samples * target / source) samples; the waveform is zero outside."""
        batch, channels, samples = waveform.shape
        target, _, taps = kernel.shape
        width = (taps - source) // 2
        padded = F.pad(waveform.reshape(-1, 1, samples), (width, width + source))
        filtered = F.conv1d(padded, kernel, stride=source)
        interleaved = filtered.transpose(1, 2).reshape(batch, channels, -1)
        # Counted in float32, as torchaudio does: above 2^24 samples, 17 minutes, the count itself rounds.
        length = torch.ceil(torch.tensor(target * samples / source, dtype=torch.float32))
        return interleaved[..., : int(length)]


class Resample(nn.Module):
    """Brings a waveform to another sampling rate."""

    def __init__(self, rate: int):
        super().__init__()
        self.rate = rate
        self.kernel = SincKernel()
        self.filter = PhaseFilter()

    def forward(
        self, waveform: Float[Tensor, "batch audio_channels samples"], sampling_rate: int
    ) -> Float[Tensor, "batch audio_channels resampled"]:
        """Give the waveform at this module's rate, from `sampling_rate` Hz."""
        divisor = math.gcd(sampling_rate, self.rate)
        source, target = sampling_rate // divisor, self.rate // divisor
        return self.filter(waveform, self.kernel(source, target, waveform.dtype, waveform.device), source)
