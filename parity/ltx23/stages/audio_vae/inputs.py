"""Inputs that do not hide faults: samples and channels that differ in everything, loud and almost silent passages."""

import torch
from torch import Tensor

from parity.ltx23.stage import input_seed
from parity.ltx23.synthetic.weights import normal_like

# Log-mel frames lie between log(1e-5) = -11.5 and about 2; these are centred and spread like speech.
_MEL_MEAN, _MEL_SPREAD = -5.0, 2.5


def drawn(label: str, *shape: int) -> Tensor:
    """Draw unit-variance float32 numbers that bfloat16 holds: the same in every working precision."""
    values = normal_like(input_seed(), f"audio_vae.{label}", 0, torch.Size(shape).numel(), torch.device("cpu"))
    return values.view(shape).bfloat16().float()


def latent(label: str, batch: int, shape: tuple[int, int, int]) -> Tensor:
    """Give normalised latents of (channels, frames, bins)."""
    return drawn(f"{label}.latent", batch, *shape)


def mel(label: str, batch: int, shape: tuple[int, int, int]) -> Tensor:
    """Give log-mel frames of (channels, frames, bins)."""
    return (drawn(f"{label}.mel", batch, *shape) * _MEL_SPREAD + _MEL_MEAN).bfloat16().float()


def waveform(label: str, batch: int, channels: int, samples: int) -> Tensor:
    """Give noise, first loud, then so quiet that about half of the mel bins fall below the floor of the logarithm."""
    noise = drawn(f"{label}.waveform", batch, channels, samples)
    gains = torch.full((samples,), 2.0**-17)
    gains[: samples // 8] = 2.0**-2
    return noise * gains
