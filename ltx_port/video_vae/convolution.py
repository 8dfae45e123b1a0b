"""3x3x3 convolutions that keep the size: frames are padded by repetition, rows and columns by zeros."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RepeatEdgeFrames(nn.Module):
    """Repeats the first frame `front` times before the clip, and the last one `back` times behind it."""

    def __init__(self, front: int, back: int):
        super().__init__()
        self.front, self.back = front, back

    def forward(
        self, x: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels padded_frames height width"]:
        """Give the longer clip."""
        parts = [x[:, :, :1].repeat(1, 1, self.front, 1, 1), x]
        if self.back:
            parts.append(x[:, :, -1:].repeat(1, 1, self.back, 1, 1))
        return torch.cat(parts, dim=2)


class FrameConv3d(nn.Module):
    """A convolution over 3 frames, rows and columns.

    `causal`, as the encoder is: both extra frames come before the clip, so that no frame sees a later one. The
    decoder has one on each side.
    """

    def __init__(self, in_channels: int, out_channels: int, causal: bool):
        super().__init__()
        self.pad = RepeatEdgeFrames(2, 0) if causal else RepeatEdgeFrames(1, 1)
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=(0, 1, 1))

    def forward(
        self, x: Float[Tensor, "batch in_channels frames height width"]
    ) -> Float[Tensor, "batch out_channels frames height width"]:
        """Convolve; the clip keeps its size."""
        return self.conv(self.pad(x))
