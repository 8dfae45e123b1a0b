"""The encoder: from log-mel frames, or from a waveform, to the latent."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.audio_vae.convolution import CausalConv
from ltx_port.audio_vae.front_end import LogMelFrontEnd
from ltx_port.audio_vae.residual import PixelNorm, ResidualBlock
from ltx_port.audio_vae.resolution import Downsample
from ltx_port.audio_vae.statistics import Normalize, Patchify, Unpatchify
from ltx_port.checkpoint.audio_config import AudioVaeConfig
from ltx_port.errors import InputError


class DownLevel(nn.Module):
    """All blocks at one resolution, then the step to the next coarser one, if there is one."""

    def __init__(self, widths: tuple[int, int], blocks: int, downsamples: bool):
        super().__init__()
        before, width = widths
        self.blocks = nn.ModuleList(ResidualBlock(before if i == 0 else width, width) for i in range(blocks))
        self.downsample = Downsample(width) if downsamples else None

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch out_channels out_frames out_bins"]:
        """Refine, then halve the resolution."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class Means(nn.Module):
    """Keeps the means of the latent distribution, the first half of the channels: 2.3 never samples from it."""

    def forward(
        self, moments: Float[Tensor, "batch moments frames bins"]
    ) -> Float[Tensor, "batch channels frames bins"]:
        """Give the first half."""
        return torch.chunk(moments, 2, dim=1)[0]


class AudioEncoder(nn.Module):
    """Encodes log-mel frames: 4T-3 of them become T latent frames, any other number is rounded up."""

    def __init__(self, config: AudioVaeConfig):
        super().__init__()
        part = config.model.params.ddconfig
        widths = [part.ch * factor for factor in (1, *part.ch_mult)]
        last = len(part.ch_mult) - 1
        self.bins, self.channels = part.mel_bins, part.in_channels
        self.conv_in = CausalConv(part.in_channels, part.ch)
        self.down = nn.ModuleList(
            DownLevel(pair, part.num_res_blocks, downsamples=level < last)
            for level, pair in enumerate(pairwise(widths))
        )
        self.mid = nn.ModuleList(ResidualBlock(widths[-1], widths[-1]) for _ in range(2))
        self.norm_out = PixelNorm()
        self.activation_out = nn.SiLU()
        self.conv_out = CausalConv(widths[-1], 2 * part.z_channels)
        self.means = Means()
        self.patchify = Patchify()
        self.normalize = Normalize(part.ch)
        self.unpatchify = Unpatchify(part.z_channels)

    def forward(
        self, mel: Float[Tensor, "batch audio_channels mel_frames mel_bins"]
    ) -> Float[Tensor, "batch channels frames bins"]:
        """Give the normalised latent.

        Raises InputError for log-mel frames that are not [batch, in_channels, frames, mel_bins] with a frame at least.
        """
        if mel.shape[1] != self.channels or mel.shape[3] != self.bins or not mel.shape[2]:
            raise _misshapen(mel, self.channels, self.bins)
        x = self.conv_in(mel)
        for level in self.down:
            x = level(x)
        for block in self.mid:
            x = block(x)
        moments = self.conv_out(self.activation_out(self.norm_out(x)))
        return self.unpatchify(self.normalize(self.patchify(self.means(moments))))


class WaveformEncoder(nn.Module):
    """Encodes a waveform: the log-mel front end, then the encoder."""

    def __init__(self, config: AudioVaeConfig, encoder: AudioEncoder):
        super().__init__()
        self.front_end = LogMelFrontEnd(config)
        self.encoder = encoder

    def forward(
        self, waveform: Float[Tensor, "batch audio_channels samples"], sampling_rate: int
    ) -> Float[Tensor, "batch channels frames bins"]:
        """Give the normalised latent of a waveform in [-1, 1] at `sampling_rate` Hz.

        The front end works in the waveform's dtype, the encoder in that of its weights. Raises InputError where
        either cannot take the waveform.
        """
        mel = self.front_end(waveform, sampling_rate)
        return self.encoder(mel.to(self.encoder.conv_in.conv.weight.dtype))


def _misshapen(mel: Tensor, channels: int, bins: int) -> InputError:
    return InputError(
        "log-mel frames",
        f"shape {tuple(mel.shape)}",
        f"(batch, {channels}, frames, {bins}) with a frame at least",
        "make them with LogMelFrontEnd from a waveform with that many channels",
    )
