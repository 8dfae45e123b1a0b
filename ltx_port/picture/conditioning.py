"""From the pixels of a picture to what the video encoder takes: a clip of one frame, of the clip's size."""

import math

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ltx_port.errors import InputError
from ltx_port.picture.still import H264Degradation

DEFAULT_CRF = 33
"""How strongly a picture is compressed when nothing else is asked for: what the pipelines of LTX-2.3 use.

Source: DEFAULT_IMAGE_CRF of ltx-pipelines 1.0.0 and 1.2.0, which takes it for checkpoints of LTX-2.3.
"""


class ToFloat(nn.Module):
    """Levels as float32, on the device where the picture is resized."""

    def forward(
        self, picture: UInt8[Tensor, "height width 3"], device: torch.device
    ) -> Float32[Tensor, "height width 3"]:
        """Give levels from 0 to 255."""
        return picture.to(device).float()


class Resize(nn.Module):
    """Resizes a picture so that it just covers a size, with its own proportions.

    Bilinear between pixel centres, and not smoothed: a picture that shrinks a lot keeps aliases, as in the reference.
    """

    def forward(
        self, picture: Float32[Tensor, "height width 3"], size: tuple[int, int]
    ) -> Float32[Tensor, "1 3 covering_height covering_width"]:
        """Give the picture, colours first; one side is as asked, the other that long or longer."""
        scale = max(asked / side for asked, side in zip(size, picture.shape[:2], strict=True))
        # Rounded up, so that no float error leaves a side too short.
        covering = [math.ceil(side * scale) for side in picture.shape[:2]]
        # Colours stay innermost in memory, as in the reference: torch chooses its kernel by that.
        channels_last = picture.permute(2, 0, 1)[None]
        return F.interpolate(channels_last, size=covering, mode="bilinear", align_corners=False)


class CentreCrop(nn.Module):
    """Cuts the middle out; of an odd surplus, the larger half goes at the lower and right edges."""

    def forward(
        self, picture: Float32[Tensor, "1 3 covering_height covering_width"], size: tuple[int, int]
    ) -> Float32[Tensor, "1 3 1 height width"]:
        """Give the middle as a clip of one frame."""
        (height, width), (rows, columns) = size, picture.shape[2:]
        top, left = (rows - height) // 2, (columns - width) // 2
        return picture[:, :, None, top : top + height, left : left + width]


class ToRange(nn.Module):
    """Levels to the range of the video encoder, in float32."""

    def forward(self, levels: Float32[Tensor, "1 3 1 height width"]) -> Float32[Tensor, "1 3 1 height width"]:
        """Give -1 for level 0 and 1 for level 255; a division and then a subtraction, each rounded."""
        return levels / 127.5 - 1.0


class ToWorkingDtype(nn.Module):
    """Rounds to the precision that the video encoder works in."""

    def forward(
        self, pixels: Float32[Tensor, "1 3 1 height width"], dtype: torch.dtype
    ) -> Float[Tensor, "1 3 1 height width"]:
        """Give the pixels in `dtype`."""
        return pixels.to(dtype)


class PictureConditioning(nn.Module):
    """Compresses a picture like a video's frame, resizes it to cover the clip, crops it, and scales its levels.

    It has no weights. Source: load_image_conditioning of ltx-pipelines 1.0.0, load_image_and_preprocess of 1.2.0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.degrade = H264Degradation()
        self.to_float = ToFloat()
        self.resize = Resize()
        self.crop = CentreCrop()
        self.to_range = ToRange()
        self.to_dtype = ToWorkingDtype()

    def forward(
        self,
        picture: UInt8[Tensor, "picture_height picture_width 3"],
        size: tuple[int, int],
        crf: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Float[Tensor, "1 3 1 height width"]:
        """Give pixels in [-1, 1] of `size` (height, width), in `dtype`; resized on `device`, in float32.

        InputError for a size that is not positive, a crf that libx264 does not have, and a picture too small for it.
        """
        if min(size) < 1:
            raise InputError("picture size", f"{size[0]}x{size[1]}", "1x1 or more", "give the clip's height and width")
        levels = self.to_float(self.degrade(picture, crf), device)
        return self.to_dtype(self.to_range(self.crop(self.resize(levels, size), size)), dtype)
