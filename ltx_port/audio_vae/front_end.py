"""From a waveform to the log-mel frames that the encoder reads.

As in `resampling.py`, torchaudio's arithmetic is written out: MelSpectrogram with Slaney's mel scale and area norm.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.audio_vae.resampling import Resample
from ltx_port.checkpoint.audio_config import AudioVaeConfig
from ltx_port.errors import InputError

LOG_FLOOR = 1e-5
# Slaney's mel scale (Auditory Toolbox, 1998): 200/3 Hz a mel up to 1000 Hz, then 27 mels to a factor of 6.4.
HZ_PER_MEL = 200.0 / 3
KNEE_HZ = 1000.0
KNEE_MEL = KNEE_HZ / HZ_PER_MEL
LOG_STEP = math.log(6.4) / 27.0


class HannWindow(nn.Module):
    """The window of the Fourier transform."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, device: torch.device) -> Float[Tensor, " size"]:
        """Give the periodic window in float32, made on the CPU: other devices round its cosine differently."""
        return torch.hann_window(self.size, dtype=torch.float32, device="cpu").to(device)


class Magnitude(nn.Module):
    """The magnitude (not power) of a centred short-time Fourier transform, edges reflected."""

    def __init__(self, hop: int):
        super().__init__()
        self.hop = hop

    def forward(
        self, waveform: Float[Tensor, "batch audio_channels samples"], window: Float[Tensor, " size"]
    ) -> Float[Tensor, "batch audio_channels frequencies mel_frames"]:
        """Give 1 + samples // hop frames; a narrower waveform is widened by the float32 window."""
        spectrum = torch.stft(
            waveform.flatten(0, 1),
            n_fft=window.shape[0],
            hop_length=self.hop,
            window=window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        return spectrum.unflatten(0, waveform.shape[:2]).abs()


class MelFilterBank(nn.Module):
    """Triangles on Slaney's mel scale from 0 Hz to half the sampling rate, each of unit area.

    The checkpoint's `mel_fmin` and `mel_fmax` say the same; like the reference, this does not read them.
    """

    def __init__(self, rate: int, size: int, bins: int):
        super().__init__()
        self.rate, self.frequencies, self.bins = rate, size // 2 + 1, bins

    def forward(self, device: torch.device) -> Float[Tensor, "frequencies mel_bins"]:
        """Give the weights in float32, made on the CPU as the reference makes them."""
        frequencies = torch.linspace(0, self.rate // 2, self.frequencies, dtype=torch.float32)
        corners = self._corners()
        widths = corners.diff()
        distances = corners[None, :] - frequencies[:, None]
        rising, falling = -distances[:, :-2] / widths[:-1], distances[:, 2:] / widths[1:]
        triangles = torch.minimum(rising, falling).clamp(min=0)
        return (triangles * (2.0 / (corners[2:] - corners[:-2]))).to(device)

    def _corners(self) -> Tensor:
        """Give the corners of all triangles in Hz, equally spaced in mel."""
        highest = self.rate / 2.0
        last = KNEE_MEL + math.log(highest / KNEE_HZ) / LOG_STEP if highest >= KNEE_HZ else highest / HZ_PER_MEL
        mels = torch.linspace(0.0, last, self.bins + 2, dtype=torch.float32)
        bent = KNEE_HZ * torch.exp(LOG_STEP * (mels - KNEE_MEL))
        return torch.where(mels >= KNEE_MEL, bent, HZ_PER_MEL * mels)


class MelProjection(nn.Module):
    """Sums the magnitudes under each triangle."""

    def forward(
        self,
        magnitude: Float[Tensor, "batch audio_channels frequencies mel_frames"],
        filters: Float[Tensor, "frequencies mel_bins"],
    ) -> Float[Tensor, "batch audio_channels mel_bins mel_frames"]:
        """Give the mel spectrum; time is multiplied from the left, as the reference does."""
        return torch.matmul(magnitude.transpose(-1, -2), filters).transpose(-1, -2)


class LogFloor(nn.Module):
    """The natural logarithm, of at least 1e-5."""

    def forward(
        self, mel: Float[Tensor, "batch audio_channels mel_bins mel_frames"], dtype: torch.dtype
    ) -> Float[Tensor, "batch audio_channels mel_frames mel_bins"]:
        """Give log-mel frames, time first, rounded to `dtype`."""
        return torch.log(torch.clamp(mel, min=LOG_FLOOR)).to(dtype).transpose(2, 3).contiguous()


class LogMelFrontEnd(nn.Module):
    """Gives the log-mel frames of a waveform, whatever its sampling rate. It has no weights."""

    def __init__(self, config: AudioVaeConfig):
        super().__init__()
        stft, self.rate = config.preprocessing.stft, config.model.params.sampling_rate
        # The reference takes the window as long as the transform, and does not read `win_length`.
        self.size = stft.filter_length
        self.resample = Resample(self.rate)
        self.window = HannWindow(self.size)
        self.magnitude = Magnitude(stft.hop_length)
        self.filters = MelFilterBank(self.rate, self.size, config.model.params.ddconfig.mel_bins)
        self.mel = MelProjection()
        self.log = LogFloor()

    def forward(
        self, waveform: Float[Tensor, "batch audio_channels samples"], sampling_rate: int
    ) -> Float[Tensor, "batch audio_channels mel_frames mel_bins"]:
        """Give log-mel frames in the waveform's dtype; `sampling_rate` is in Hz.

        Raises InputError for a rate below 1, for float64, and for a waveform too short for one reflected edge.
        """
        self._check(waveform, sampling_rate)
        if sampling_rate != self.rate:
            waveform = self.resample(waveform, sampling_rate)
        magnitude = self.magnitude(waveform, self.window(waveform.device))
        return self.log(self.mel(magnitude, self.filters(waveform.device)), waveform.dtype)

    def _check(self, waveform: Tensor, sampling_rate: int) -> None:
        if sampling_rate < 1:
            raise _refusal(f"{sampling_rate} Hz", "1 Hz or more", "give the waveform's own sampling rate")
        if waveform.dtype is torch.float64:
            # The mel filters are float32, and a product of both is none that the reference computes.
            raise _refusal("float64", "float32 or narrower", "round it to float32")
        samples, least = math.ceil(waveform.shape[-1] * self.rate / sampling_rate), self.size // 2 + 1
        if samples < least:
            got = f"{samples} samples at {self.rate} Hz"
            raise _refusal(got, f"at least {least}", "give a longer waveform, or pad it with silence")


def _refusal(got: str, expected: str, next_step: str) -> InputError:
    return InputError("waveform", got, expected, next_step)
