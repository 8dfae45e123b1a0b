"""The video encoder: a clip of 8k+1 frames to a normalised latent of k+1, 32 times smaller each way."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.checkpoint.video_config import VideoVaeConfig
from ltx_port.release import NEWEST, Release
from ltx_port.video_vae.convolution import FrameConv3d
from ltx_port.video_vae.patches import Patchify
from ltx_port.video_vae.resample import Downsample, Stride
from ltx_port.video_vae.residual import PixelNorm, ResidualStack
from ltx_port.video_vae.statistics import Normalize
from ltx_port.video_vae.tiling import FRAMES_PER_LATENT

_STRIDES: dict[str, Stride] = {
    "compress_space_res": (1, 2, 2),
    "compress_time_res": (2, 1, 1),
    "compress_all_res": (2, 2, 2),
}


class CropFrames(nn.Module):
    """Drops the last frames of a clip until it has 8k+1."""

    def forward(
        self, pixels: Float[Tensor, "batch colours frames height width"]
    ) -> Float[Tensor, "batch colours kept_frames height width"]:
        """Give the clip, shortened where it must be."""
        extra = (pixels.shape[2] - 1) % FRAMES_PER_LATENT
        return pixels[:, :, : pixels.shape[2] - extra]


class Means(nn.Module):
    """Keeps the means of the latent's distribution; its last channel, the shared log-variance, goes unused."""

    def forward(
        self, moments: Float[Tensor, "batch means_and_variance frames height width"]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Give the means."""
        return moments[:, :-1]


class VideoEncoder(nn.Module):
    """Pixels in [-1, 1] to the latent that the transformer works on."""

    def __init__(self, config: VideoVaeConfig, release: Release = NEWEST):
        super().__init__()
        self.release = release
        # The official encoder starts at the latent's width; encoder_base_channels is read by nobody.
        channels = config.latent_channels
        self.crop = CropFrames()
        self.patchify = Patchify(config.patch_size)
        self.conv_in = FrameConv3d(config.in_channels * config.patch_size**2, channels, causal=True)
        self.blocks = nn.ModuleList()
        for kind, parameters in config.encoder_blocks:
            if kind == "res_x":
                self.blocks.append(ResidualStack(channels, parameters["num_layers"], causal=True))
            else:
                self.blocks.append(down := Downsample(channels, _STRIDES[kind], parameters["multiplier"]))
                channels = down.out_channels
        self.norm_out = PixelNorm()
        self.activation_out = nn.SiLU()
        self.conv_out = FrameConv3d(channels, config.latent_channels + 1, causal=True)
        self.means = Means()
        self.normalize = Normalize(config.latent_channels)

    def forward(
        self, pixels: Float[Tensor, "batch colours frames height width"]
    ) -> Float[Tensor, "batch channels latent_frames latent_height latent_width"]:
        """Give the normalised means; height and width must be multiples of 32, an image is a clip of one frame."""
        x = self.conv_in(self.patchify(self.crop(pixels)))
        for block in self.blocks:
            x = block(x)
        moments = self.conv_out(self.activation_out(self.norm_out(x)))
        return self.normalize(self.means(moments))

    def key_paths(self) -> Iterator[tuple[str, str]]:
        """Give (path here, path in the official encoder) of each convolution with weights."""
        yield "conv_in.conv", "conv_in.conv"
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualStack | Downsample), "a block has convolutions"
            for here, there in block.convolutions():
                yield f"blocks.{index}.{here}", f"down_blocks.{index}.{there}"
        yield "conv_out.conv", "conv_out.conv"
