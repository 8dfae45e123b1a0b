"""The video decoder: a normalised latent of k+1 frames to a clip of 8k+1, 32 times larger each way."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.checkpoint.video_config import VideoVaeConfig
from ltx_port.release import NEWEST, Release
from ltx_port.video_vae.convolution import FrameConv3d
from ltx_port.video_vae.patches import Unpatchify
from ltx_port.video_vae.resample import Stride, Upsample
from ltx_port.video_vae.residual import Arrange, PixelNorm, ResidualStack
from ltx_port.video_vae.statistics import Unnormalize

_WIDEST = 8
"""The decoder begins at this many times its base channels, and its doublings divide by as much."""
_STRIDES: dict[str, Stride] = {"compress_space": (1, 2, 2), "compress_time": (2, 1, 1), "compress_all": (2, 2, 2)}


class VideoDecoder(nn.Module):
    """The latent of the transformer to pixels, nominally in [-1, 1]. No noise and no timestep in LTX-2.3."""

    def __init__(self, config: VideoVaeConfig, release: Release = NEWEST):
        super().__init__()
        self.release = release
        channels, last = config.decoder_base_channels * _WIDEST, release.decoder_channels_last
        self.unnormalize = Unnormalize(config.latent_channels)
        self.arrange_in = Arrange(last)
        self.conv_in = FrameConv3d(config.latent_channels, channels, causal=False)
        self.blocks = nn.ModuleList()
        # The configuration lists both block lists from pixels to latent.
        for kind, parameters in reversed(config.decoder_blocks):
            if kind == "res_x":
                self.blocks.append(ResidualStack(channels, parameters["num_layers"], False, last))
            else:
                self.blocks.append(up := Upsample(channels, _STRIDES[kind], parameters["multiplier"], last))
                channels = up.out_channels
        patch_channels = config.out_channels * config.patch_size**2
        self.arrange_out = Arrange(last)
        self.norm_out = PixelNorm()
        # The official form has its last activation in the place that the convolution's output will take.
        self.arrange_activation = Arrange(last, room=patch_channels)
        self.activation_out = nn.SiLU()
        self.conv_out = FrameConv3d(channels, patch_channels, causal=False)
        self.unpatchify = Unpatchify(config.patch_size)

    def forward(
        self, latent: Float[Tensor, "batch channels latent_frames latent_height latent_width"]
    ) -> Float[Tensor, "batch colours frames height width"]:
        """Give the pixels of the whole clip at once, in the latent's dtype, which must be the weights'."""
        x = self.conv_in(self.arrange_in(self.unnormalize(latent)))
        for block in self.blocks:
            x = block(x)
        x = self.activation_out(self.arrange_activation(self.norm_out(self.arrange_out(x))))
        return self.unpatchify(self.conv_out(x))

    def key_paths(self) -> Iterator[tuple[str, str]]:
        """Give (path here, path in the official decoder) of each convolution with weights."""
        yield "conv_in.conv", "conv_in.conv"
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualStack | Upsample), "a block has convolutions"
            for here, there in block.convolutions():
                yield f"blocks.{index}.{here}", f"up_blocks.{index}.{there}"
        yield "conv_out.conv", "conv_out.conv"
