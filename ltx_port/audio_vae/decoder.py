"""The decoder: from the latent to log-mel frames."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.audio_vae.convolution import CausalConv
from ltx_port.audio_vae.residual import PixelNorm, ResidualBlock
from ltx_port.audio_vae.resolution import Upsample
from ltx_port.audio_vae.statistics import Patchify, Unnormalize, Unpatchify
from ltx_port.checkpoint.audio_config import AudioVaeConfig
from ltx_port.errors import InputError


class UpLevel(nn.Module):
    """All blocks at one resolution, then the step to the next finer one, if there is one."""

    def __init__(self, widths: tuple[int, int], blocks: int, upsamples: bool):
        super().__init__()
        before, width = widths
        self.blocks = nn.ModuleList(ResidualBlock(before if i == 0 else width, width) for i in range(blocks))
        self.upsample = Upsample(width) if upsamples else None

    def forward(
        self, x: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch out_channels out_frames out_bins"]:
        """Refine, then double the resolution."""
        for block in self.blocks:
            x = block(x)
        return x if self.upsample is None else self.upsample(x)


class AudioDecoder(nn.Module):
    """Decodes the normalised audio latent: T latent frames become 4T-3 mel frames.

    Level 0 is the finest and runs last. Every level has one block more than in the encoder.
    """

    def __init__(self, config: AudioVaeConfig):
        super().__init__()
        part = config.model.params.ddconfig
        # From coarse to fine, the widest twice: once for the input and the blocks in the middle.
        widths = [part.ch * factor for factor in reversed((*part.ch_mult, part.ch_mult[-1]))]
        levels = [
            UpLevel(pair, part.num_res_blocks + 1, upsamples=level > 0)
            for level, pair in zip(reversed(range(len(part.ch_mult))), pairwise(widths), strict=True)
        ]
        self.bins = part.mel_bins // 4
        self.channels = part.z_channels
        self.patchify = Patchify()
        self.unnormalize = Unnormalize(part.ch)
        self.unpatchify = Unpatchify(part.z_channels)
        self.conv_in = CausalConv(part.z_channels, widths[0])
        self.mid = nn.ModuleList(ResidualBlock(widths[0], widths[0]) for _ in range(2))
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out = PixelNorm()
        self.activation_out = nn.SiLU()
        self.conv_out = CausalConv(widths[-1], part.out_ch)

    def forward(
        self, latent: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch audio_channels mel_frames mel_bins"]:
        """Give log-mel frames (natural logarithm of the magnitude), in the dtype of the weights.

        Raises InputError for a latent that is not [batch, z_channels, frames, mel_bins / 4] with a frame at least.
        """
        if latent.shape[1] != self.channels or latent.shape[3] != self.bins or not latent.shape[2]:
            raise _misshapen(latent, self.channels, self.bins)
        x = self.conv_in(self.unpatchify(self.unnormalize(self.patchify(latent))))
        for block in self.mid:
            x = block(x)
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(self.activation_out(self.norm_out(x)))


def _misshapen(latent: Tensor, channels: int, bins: int) -> InputError:
    return InputError(
        "audio latent",
        f"shape {tuple(latent.shape)}",
        f"(batch, {channels}, frames, {bins}) with a frame at least",
        "give the latent of this checkpoint's own configuration",
    )
