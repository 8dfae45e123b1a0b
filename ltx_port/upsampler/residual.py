"""Steps of the upsampler: convolution, norm and activation, and the block that is made of them."""

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.upsampler.config import NORM_GROUPS


def same_convolution(inputs: int, outputs: int) -> nn.Conv3d:
    """Give a convolution over frames, height and width that keeps their sizes; around the latent are zeros."""
    return nn.Conv3d(inputs, outputs, kernel_size=3, padding=1)


def group_norm(channels: int) -> nn.GroupNorm:
    """Give the norm over a sample's groups of consecutive channels, all frames and places at once; eps is 1e-5."""
    return nn.GroupNorm(NORM_GROUPS, channels)


class AddResidual(nn.Module):
    """The sum at a block's end; in bfloat16 its order does not matter, its place before the activation does."""

    def forward(
        self,
        update: Float[Tensor, "batch mid frames height width"],
        residual: Float[Tensor, "batch mid frames height width"],
    ) -> Float[Tensor, "batch mid frames height width"]:
        """Give `update + residual`."""
        return update + residual


class ResidualBlock(nn.Module):
    """Two convolutions, each normed; the residual joins before the second activation."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv_in = same_convolution(channels, channels)
        self.norm_in = group_norm(channels)
        self.activate_in = nn.SiLU()
        self.conv_out = same_convolution(channels, channels)
        self.norm_out = group_norm(channels)
        self.add = AddResidual()
        self.activate_out = nn.SiLU()

    def forward(
        self, x: Float[Tensor, "batch mid frames height width"]
    ) -> Float[Tensor, "batch mid frames height width"]:
        """Give the block's output, of the shape of its input."""
        update = self.activate_in(self.norm_in(self.conv_in(x)))
        return self.activate_out(self.add(self.norm_out(self.conv_out(update)), x))
