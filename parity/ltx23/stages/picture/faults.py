"""Faults of the pictures: each function plants one in a loaded port, and its docstring says what is then wrong."""

from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ltx_port.picture.conditioning import CentreCrop, Resize
from ltx_port.picture.still import EvenSize, H264Still
from parity.ltx23.fault import Faults
from parity.ltx23.stages.picture.port import Picture, Read

FAULTS = Faults("picture", case="picture-sizes", forward="shrunk")
_NEWEST: dict[str, Any] = {"case": "picture-small", "suite": "recorded", "release": "1.2.0"}


def _forward(module: nn.Module, replacement: Callable[..., Any]) -> None:
    # On the instance, so that only this model is changed.
    module.forward = MethodType(replacement, module)


@FAULTS.planted("ZP1", first_tap="picture", hint="reversal: axis 2 | permutation: indices 0 and 2; axis 2")
def blue_first(port: Picture) -> None:
    """Channels in the order blue, green, red."""
    exact = Read.forward

    def forward(self: Read, path: Any) -> Tensor:
        return exact(self, path).flip(2)

    _forward(port.read, forward)


@FAULTS.planted(
    "ZP2",
    first_tap="even",
    hint="shift: advanced by 1 sample; axis 0; axis 1 | shift: advanced by 53 samples | shift: advanced by 159 samples",
)
def first_row_dropped(port: Picture) -> None:
    """Odd sides made even by leaving out the first row or column, not the last."""

    def forward(_: EvenSize, picture: Tensor) -> Tensor:
        height, width = picture.shape[:2]
        return picture[height % 2 :, width % 2 :]

    _forward(port.conditioning.degrade.even, forward)


@FAULTS.planted("ZP3", first_tap="degraded")
def another_default(port: Picture) -> None:
    """Compressed as strongly as video is by default (23), not as the model's pictures (33)."""
    exact = H264Still.forward

    def forward(self: H264Still, picture: Tensor, crf: int) -> Tensor:
        return exact(self, picture, 23)

    _forward(port.conditioning.degrade.still, forward)


@FAULTS.planted("ZP4", first_tap="degraded", hint="tensor: shrunk.even")
def not_compressed(port: Picture) -> None:
    """Not compressed at all."""

    def forward(_: H264Still, picture: Tensor, crf: int) -> Tensor:
        return picture

    _forward(port.conditioning.degrade.still, forward)


def _resized(port: Picture, **options: Any) -> None:
    def forward(_: Resize, picture: Tensor, size: tuple[int, int]) -> Tensor:
        covering = Resize()(picture, size).shape[2:]
        return F.interpolate(picture.permute(2, 0, 1)[None], size=covering, **options)

    _forward(port.conditioning.resize, forward)


@FAULTS.planted("ZP5", first_tap="resized")
def smoothed(port: Picture) -> None:
    """Smoothed before it is made smaller, as Pillow resizes."""
    _resized(port, mode="bilinear", align_corners=False, antialias=True)


@FAULTS.planted("ZP6", first_tap="resized")
def corners_aligned(port: Picture) -> None:
    """Resized between the centres of the corner pixels."""
    _resized(port, mode="bilinear", align_corners=True)


@FAULTS.planted("ZP7", first_tap="resized")
def bicubic(port: Picture) -> None:
    """Resized by cubic splines."""
    _resized(port, mode="bicubic", align_corners=False)


@FAULTS.planted("ZP8", first_tap="resized", forward="upright")
def stretched(port: Picture) -> None:
    """Stretched to the clip's proportions, not cropped."""

    def forward(_: Resize, picture: Tensor, size: tuple[int, int]) -> Tensor:
        stretched = F.interpolate(picture.permute(2, 0, 1)[None], size=size, mode="bilinear", align_corners=False)
        rows, columns = Resize()(picture, size).shape[2:]
        return F.pad(stretched, (0, columns - size[1], 0, rows - size[0]), mode="replicate")

    _forward(port.conditioning.resize, forward)


@FAULTS.planted("ZP9", first_tap="cropped", hint="shift: delayed by 1 sample; axis 4", forward="upright")
def off_by_one(port: Picture) -> None:
    """Cut out one pixel further left."""
    exact = CentreCrop.forward

    def forward(self: CentreCrop, picture: Tensor, size: tuple[int, int]) -> Tensor:
        return exact(self, picture.roll(1, dims=3), size)

    _forward(port.conditioning.crop, forward)


@FAULTS.planted("ZP10", first_tap="ranged", hint="affine: 0.5; plus | formula: cropped; 0.00392157")
def from_zero_to_one(port: Picture) -> None:
    """Levels from 0 to 1, not from -1 to 1."""

    def forward(_: nn.Module, levels: Tensor) -> Tensor:
        return levels / 255.0

    _forward(port.conditioning.to_range, forward)


@FAULTS.planted("ZP11", first_tap="ranged", hint="affine: 0.996094; minus; 0.00390625")
def middle_at_128(port: Picture) -> None:
    """Levels around 128, so that white is below 1."""

    def forward(_: nn.Module, levels: Tensor) -> Tensor:
        return levels / 128.0 - 1.0

    _forward(port.conditioning.to_range, forward)


@FAULTS.planted("ZP12", first_tap="ranged", hint="rounding")
def in_the_working_dtype(port: Picture) -> None:
    """Levels rounded to the working dtype before they are scaled."""

    def forward(_: nn.Module, levels: Tensor) -> Tensor:
        return (levels.to(torch.bfloat16) / 127.5 - 1.0).float()

    _forward(port.conditioning.to_range, forward)


@FAULTS.planted(
    "ZP13",
    first_tap="picture",
    hint="reversal: axis 2 | permutation: indices 0 and 2; axis 2",
    forward="profile",
    **_NEWEST,
)
def profile_ignored(port: Picture) -> None:
    """Release 1.2.0 with the colour profile left out, and orientation as in 1.0.0."""
    port.read.release = replace(port.read.release, pictures_upright_in_srgb=False)


@FAULTS.planted("ZP14", first_tap="picture", forward="transparent", **_NEWEST)
def blended_with_black(port: Picture) -> None:
    """Transparent places blended with black."""

    def forward(self: Read, path: Any) -> Tensor:
        with Image.open(path) as stored:
            levels = torch.from_numpy(np.array(stored)).long()
        return (levels[..., :3] * levels[..., 3:] // 255).to(torch.uint8)

    _forward(port.read, forward)
