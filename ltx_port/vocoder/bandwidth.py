"""Bandwidth extension: the same sound at a higher rate, with the high frequencies that the lower rate cannot hold."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.checkpoint.audio_config import BandwidthConfig
from ltx_port.vocoder.generator import Clip, Generator, Residual
from ltx_port.vocoder.resample import SkipResampler
from ltx_port.vocoder.spectrum import LogMel


class WholeHops(nn.Module):
    """Ends a waveform with silence, so that it is a whole number of hops."""

    def __init__(self, hop: int):
        super().__init__()
        self.hop = hop

    def forward(self, wave: Float[Tensor, "batch 2 samples"]) -> Float[Tensor, "batch 2 whole_samples"]:
        """Pad on the right, by nothing where nothing is missing."""
        return F.pad(wave, (0, -wave.shape[-1] % self.hop))


class BandwidthExtension(nn.Module):
    """Generates from the waveform's own log-mel frames what a plain resampling lacks, and adds the two."""

    def __init__(self, config: BandwidthConfig):
        super().__init__()
        self.ratio = config.output_sampling_rate // config.input_sampling_rate
        self.pad = WholeHops(config.hop_length)
        # The window is as long as the transform: `win_size` of the checkpoint is read by nobody.
        self.log_mel = LogMel(config.n_fft, config.hop_length, config.num_mels)
        self.generator = Generator(config, config.num_mels)
        self.resampler = SkipResampler(self.ratio)
        self.sum = Residual()
        self.clip = Clip()

    def forward(self, wave: Float[Tensor, "batch 2 samples"]) -> Float[Tensor, "batch 2 more_samples"]:
        """Give `ratio` times as many samples, within -1 .. 1."""
        whole = self.pad(wave)
        generated = self.generator(self.log_mel(whole))
        clipped = self.clip(self.sum(generated, self.resampler(whole)))
        return clipped[..., : wave.shape[-1] * self.ratio]
