"""How alike sounds are: signal-to-noise ratio and log-spectral distance."""

import math

import torch
from torch import Tensor

from parity.errors import BadInputError

# 43 ms at 48 kHz, three quarters of it shared with the next.
WINDOW, HOP = 2048, 512
# 100 dB below the loudest bin of the reference: what nobody hears beside it does not count.
FLOOR = 1e-5


def snr(sound: Tensor, reference: Tensor) -> float:
    """Give the power of the reference over that of the difference, in decibels; infinite for equal sounds."""
    _require_alike(sound, reference)
    error = float((sound.double() - reference.double()).square().sum())
    signal = float(reference.double().square().sum())
    if error == 0:
        return math.inf
    return 10 * math.log10(signal / error) if signal > 0 else -math.inf


def log_spectral_distance(sound: Tensor, reference: Tensor) -> float:
    """Give the distance of the spectra of sounds [channels, samples] in decibels, 0 for equal magnitudes.

    The root mean square over frequency of the difference of levels, averaged over windows (Hann) and channels, both
    levels held above FLOOR. Source: Gray, Markel, "Distance measures for speech processing", IEEE Transactions on
    Acoustics, Speech and Signal Processing 24(5), 1976. BadInputError for less sound than a window.
    """
    _require_alike(sound, reference)
    if sound.shape[-1] < WINDOW:
        raise BadInputError(
            "log-spectral distance", f"{sound.shape[-1]} samples", f"{WINDOW} or more", "give more sound"
        )
    spectrum, expected = (_magnitudes(given) for given in (sound, reference))
    floor = max(FLOOR * float(expected.max()), torch.finfo(torch.float64).tiny)
    levels = 20 * (spectrum.clamp(min=floor).log10() - expected.clamp(min=floor).log10())
    return float(levels.square().mean(dim=-2).sqrt().mean())


def _magnitudes(sound: Tensor) -> Tensor:
    """Give [channels, frequencies, windows] in float64; what does not fill a window at the end is left out."""
    window = torch.hann_window(WINDOW, dtype=torch.float64, device=sound.device)
    return torch.stft(sound.double(), WINDOW, HOP, window=window, center=False, return_complex=True).abs()


def _require_alike(sound: Tensor, reference: Tensor) -> None:
    if sound.shape != reference.shape or sound.numel() == 0:
        got = f"shape {tuple(sound.shape)}"
        raise BadInputError("sound", got, f"the reference's, {tuple(reference.shape)}, not empty", "give both whole")
