"""From decoded frames to what an encoder takes: RGB bytes, or planes of BT.709.

The bytes are cut off, not rounded, in each of these steps.
"""

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ltx_port.errors import InputError
from ltx_port.release import NEWEST, Release

# Luma, blue difference, red difference (rows) of red, green, blue; to four digits, as the reference has them.
BT709 = ((0.2126, 0.7152, 0.0722), (-0.1146, -0.3854, 0.5), (0.5, -0.4542, -0.0458))
# (size of a step, offset) in limited range: luma 16 to 235, chroma 16 to 240 around 128.
LUMA_RANGE, CHROMA_RANGE = (219, 16), (224, 128)


class RgbBytes(nn.Module):
    """Frames as bytes of red, green and blue.

    Source: ToFrames of this port's video VAE gives them in release 1.0.0; rgb_uint8_converter_ of ltx-core 1.2.0.
    """

    def forward(self, frames: Shaped[Tensor, "frames height width 3"]) -> UInt8[Tensor, "frames height width 3"]:
        """Give bytes as they are, and values from 0 to 1 times 255 in their own dtype, cut off."""
        if frames.dtype is torch.uint8:
            return frames
        return (frames.clamp(0.0, 1.0) * 255.0).to(torch.uint8)


class ToYuv(nn.Module):
    """Luma and colour differences of every pixel, in the frames' dtype."""

    def forward(self, frames: Float[Tensor, "frames height width 3"]) -> Float[Tensor, "frames 3 height width"]:
        """Give luma from 0 to 1 and differences from -0.5 to 0.5, as planes of one tensor."""
        # The matrix is rounded to the frames' dtype; the product is one matrix multiplication, as in the reference.
        matrix = torch.tensor(BT709, dtype=torch.float32).to(frames.device, frames.dtype)
        return (frames @ matrix.T).movedim(-1, 1)


class HalveChroma(nn.Module):
    """Colour differences of squares of four pixels."""

    def forward(self, yuv: Float[Tensor, "frames 3 height width"]) -> Float[Tensor, "frames 2 half_height half_width"]:
        """Give the mean of each square, which lies in its middle."""
        return F.avg_pool2d(yuv[:, 1:].contiguous(), kernel_size=2, stride=2)


class LimitedRange(nn.Module):
    """Shares to levels of limited range, in the frames' dtype: bfloat16 rounds after the product and after the sum."""

    def __init__(self, scale: int, offset: int):
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, plane: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Give levels, not yet whole numbers."""
        return plane * self.scale + self.offset


class PackPlanes(nn.Module):
    """Planes one below the other in one picture of half as many rows again, the layout called I420."""

    def forward(
        self,
        luma: Float[Tensor, "frames 1 height width"],
        chroma: Float[Tensor, "frames 2 half_height half_width"],
    ) -> UInt8[Tensor, "frames packed_height width"]:
        """Give all rows of luma, then those of the blue and the red difference, two to a row; cut off to bytes."""
        frames, _, half_height, half_width = chroma.shape
        below = chroma.reshape(frames, half_height, 2 * half_width)
        return torch.cat([luma[:, 0], below], dim=1).clamp(0, 255).to(torch.uint8)


class Bt709Planes(nn.Module):
    """RGB to planes of BT.709 in limited range, with a quarter of the chroma.

    Source: yuv420p_bt709_converter_ of ltx-core 1.2.0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.to_yuv = ToYuv()
        self.halve = HalveChroma()
        self.luma_range = LimitedRange(*LUMA_RANGE)
        self.chroma_range = LimitedRange(*CHROMA_RANGE)
        self.pack = PackPlanes()

    def forward(self, frames: Float[Tensor, "frames height width 3"]) -> UInt8[Tensor, "frames packed_height width"]:
        """Give packed planes of frames whose values are from 0 to 1; height and width must be even."""
        yuv = self.to_yuv(frames)
        return self.pack(self.luma_range(yuv[:, :1]), self.chroma_range(self.halve(yuv)))


class EncoderFrames(nn.Module):
    """Takes decoded frames, as the release's video decoder hands them on, to what its video encoder receives."""

    def __init__(self, release: Release = NEWEST):
        super().__init__()
        self.from_bytes = release.frames_uint8
        self.convert: nn.Module = Bt709Planes() if release.encoded_as_bt709 else RgbBytes()
        self.layout = "yuv420p" if release.encoded_as_bt709 else "rgb24"
        """What libav calls the layout of the bytes."""

    def forward(self, frames: Shaped[Tensor, "frames height width 3"]) -> UInt8[Tensor, "frames rows ..."]:
        """Give RGB bytes (frames, height, width, 3), or packed BT.709 planes (frames, 3/2 height, width).

        InputError for frames of another kind than the release decodes, of odd size, or not finite.
        """
        self._check(frames)
        return self.convert(frames)

    def _check(self, frames: Tensor) -> None:
        right = frames.dtype is torch.uint8 if self.from_bytes else frames.dtype.is_floating_point
        if not right:
            expected = "bytes" if self.from_bytes else "values from 0 to 1 in floating point"
            got, step = f"{str(frames.dtype).removeprefix('torch.')}", "decode and encode by one release"
            raise InputError("frames", got, expected, step)
        if frames.shape[1] % 2 or frames.shape[2] % 2:
            got = f"{frames.shape[1]}x{frames.shape[2]} pixels"
            raise InputError("frames", got, "an even height and width", "choose multiples of 32")
        if not frames.isfinite().all():
            raise InputError("frames", "NaN or infinity", "finite values", "look for their origin in the decoder")
