"""The spatial upsampler, and its frame: out of the transformer's normalisation, upsampled, and back into it."""

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.upsampler.config import UpsamplerConfig
from ltx_port.upsampler.residual import ResidualBlock, group_norm, same_convolution
from ltx_port.video_vae.statistics import Normalize, Unnormalize

SCALE = 2


class FoldFrames(nn.Module):
    """Frames become samples, so that a 2-D step sees each alone."""

    def forward(self, x: Float[Tensor, "batch mid frames height width"]) -> Float[Tensor, "images mid height width"]:
        """Give the frames of the first sample, then those of the next."""
        return x.transpose(1, 2).flatten(0, 1)


class UnfoldFrames(nn.Module):
    """Back to samples of several frames."""

    def forward(
        self, x: Float[Tensor, "images mid height width"], batch: int
    ) -> Float[Tensor, "batch mid frames height width"]:
        """Give what was folded from `batch` samples."""
        return x.unflatten(0, (batch, -1)).transpose(1, 2)


class Enlarge(nn.Module):
    """Twice the height and width, frame by frame: four channels of a place become the four places of a square.

    Channel 4c + 2i + j of the convolution is row i and column j of the square in channel c.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.fold = FoldFrames()
        self.conv = nn.Conv2d(channels, SCALE**2 * channels, kernel_size=3, padding=1)
        self.shuffle = nn.PixelShuffle(SCALE)
        self.unfold = UnfoldFrames()

    def forward(
        self, x: Float[Tensor, "batch mid frames height width"]
    ) -> Float[Tensor, "batch mid frames double_height double_width"]:
        """Give the doubled frames."""
        return self.unfold(self.shuffle(self.conv(self.fold(x))), x.shape[0])


class LatentUpsampler(nn.Module):
    """From an un-normalised latent to one of twice the height and width.

    Source: LatentUpsampler of ltx-core 1.0.0 and 1.2.0, which do not differ, at the configuration of the spatial x2
    upscaler for LTX-2.3.
    """

    def __init__(self, config: UpsamplerConfig):
        super().__init__()
        width, depth = config.mid_channels, config.num_blocks_per_stage
        self.conv_in = same_convolution(config.in_channels, width)
        self.norm_in = group_norm(width)
        self.activate_in = nn.SiLU()
        self.before = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.enlarge = Enlarge(width)
        self.after = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.conv_out = same_convolution(width, config.in_channels)

    def forward(
        self, latent: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames double_height double_width"]:
        """Give the upsampled latent, still un-normalised; frames stay as many."""
        x = self.activate_in(self.norm_in(self.conv_in(latent)))
        for block in self.before:
            x = block(x)
        x = self.enlarge(x)
        for block in self.after:
            x = block(x)
        return self.conv_out(x)


class UpsampleVideo(nn.Module):
    """The upsampler between the statistics of the video encoder.

    The upsampler was trained on latents in the video autoencoder's own scale; the transformer works on normalised ones.
    """

    def __init__(self, config: UpsamplerConfig):
        super().__init__()
        self.unnormalize = Unnormalize(config.in_channels)
        self.upsampler = LatentUpsampler(config)
        self.normalize = Normalize(config.in_channels)

    def forward(
        self, latent: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels frames double_height double_width"]:
        """Take a normalised latent of any size to one of twice the height and width, normalised too."""
        return self.normalize(self.upsampler(self.unnormalize(latent)))
