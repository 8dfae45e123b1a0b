"""The log-mel spectrum of a waveform, by transforms that the checkpoint holds: what bandwidth extension listens to."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_LEAST_MEL = 1e-5


class CausalPad(nn.Module):
    """Puts silence in front, so that a window that ends with a hop sees nothing later."""

    def __init__(self, window: int, hop: int):
        super().__init__()
        self.samples = max(0, window - hop)

    def forward(self, wave: Float[Tensor, "waves samples"]) -> Float[Tensor, "waves 1 padded_samples"]:
        """Pad on the left only."""
        return F.pad(wave.unsqueeze(1), (self.samples, 0))


class FourierTransform(nn.Module):
    """A windowed Fourier transform as a convolution: rows of `forward_basis` are real parts, then imaginary parts."""

    forward_basis: Tensor

    def __init__(self, window: int, hop: int):
        super().__init__()
        self.hop = hop
        rows = 2 * (window // 2 + 1)
        self.register_buffer("forward_basis", torch.empty(rows, 1, window))
        # In every checkpoint, and used by nothing: only the way from waves to spectra is taken.
        self.register_buffer("inverse_basis", torch.empty(rows, 1, window))

    def forward(self, wave: Float[Tensor, "waves 1 padded_samples"]) -> Float[Tensor, "waves rows frames"]:
        """Give one column for each hop."""
        return F.conv1d(wave, self.forward_basis, stride=self.hop)


class Magnitude(nn.Module):
    """The length of each complex number."""

    def forward(self, spectrum: Float[Tensor, "waves rows frames"]) -> Float[Tensor, "waves frequencies frames"]:
        """Join real and imaginary rows."""
        real, imaginary = spectrum.chunk(2, dim=1)
        return torch.sqrt(real**2 + imaginary**2)


class MelProjection(nn.Module):
    """Sums frequencies into mel bins."""

    basis: Tensor

    def __init__(self, frequencies: int, mel_bins: int):
        super().__init__()
        self.register_buffer("basis", torch.empty(mel_bins, frequencies))

    def forward(self, magnitude: Float[Tensor, "waves frequencies frames"]) -> Float[Tensor, "waves mel_bins frames"]:
        """Project linear magnitudes."""
        return torch.matmul(self.basis, magnitude)


class LogCompression(nn.Module):
    """Natural logarithm, with a floor under silence."""

    def forward(self, mel: Float[Tensor, "waves mel_bins frames"]) -> Float[Tensor, "waves mel_bins frames"]:
        """Compress."""
        return torch.log(torch.clamp(mel, min=_LEAST_MEL))


class LogMel(nn.Module):
    """A waveform's log-mel frames, one for each hop."""

    def __init__(self, window: int, hop: int, mel_bins: int):
        super().__init__()
        self.pad = CausalPad(window, hop)
        self.transform = FourierTransform(window, hop)
        self.magnitude = Magnitude()
        self.project = MelProjection(window // 2 + 1, mel_bins)
        self.compress = LogCompression()

    def forward(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels frames mel_bins"]:
        """Give the frames of each channel; `samples` is a whole number of hops."""
        batch, channels, samples = wave.shape
        flat = wave.reshape(batch * channels, samples)
        mel = self.compress(self.project(self.magnitude(self.transform(self.pad(flat)))))
        return mel.unflatten(0, (batch, channels)).transpose(2, 3)
