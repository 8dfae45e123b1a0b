"""Faults of the video autoencoder: each function plants one in a loaded port; its docstring says what is then wrong."""

from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltx_port.video_vae.blend import CarryOver, Divide, Sums, Weigh
from ltx_port.video_vae.convolution import RepeatEdgeFrames
from ltx_port.video_vae.encoder import Means
from ltx_port.video_vae.frames import ToFrames
from ltx_port.video_vae.layout import CutOff, Trapezoid
from ltx_port.video_vae.patches import Patchify, Unpatchify
from ltx_port.video_vae.resample import AverageGroups, DoubleFirstFrame, DropFirstFrame, Unfold
from ltx_port.video_vae.residual import PixelNorm
from ltx_port.video_vae.statistics import Normalize, Unnormalize
from ltx_port.video_vae.tiling import FRAMES_PER_LATENT
from parity.ltx23.fault import Faults

AnyModule = TypeVar("AnyModule", bound=nn.Module)
FAULTS = Faults("video_vae", case="vae-drift", forward="pass_decode")
_ENCODE: dict[str, Any] = {"forward": "pass_encode", "dtype": torch.float32}
_DECODE: dict[str, Any] = {"dtype": torch.float32}
_TILES: dict[str, Any] = {"case": "vae-tiles", "forward": "pass_tiles"}


def _forward(model: nn.Module, kind: type[AnyModule], replacement: Callable[..., Any]) -> None:
    found = [module for module in model.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__} left to plant a fault in"
    for module in found:
        # On the instance, so that only this model is changed.
        module.forward = MethodType(replacement, module)


@FAULTS.planted("V2", first_tap="decode.pixels", hint="layout: 4 x 4; axes 3 and 4", **_DECODE)
def rows_and_columns_swapped(model: nn.Module) -> None:
    """Channels go back to pixels with rows before columns."""

    def forward(self: Unpatchify, patches: Tensor) -> Tensor:
        squares = patches.unflatten(1, (-1, self.size, self.size))
        return squares.permute(0, 1, 4, 5, 2, 6, 3).flatten(5, 6).flatten(3, 4)

    _forward(model, Unpatchify, forward)


@FAULTS.planted("V3", first_tap="decode.conv_in", hint="edges: axis 3; axis 4", case="vae-decode", forward="pass_batch")
def reflected_edges(model: nn.Module) -> None:
    """Rows and columns padded by reflection, not by zeros."""

    def forward(self: nn.Conv3d, x: Tensor) -> Tensor:
        wider = F.pad(x, (1, 1, 1, 1, 0, 0), mode="reflect")
        return F.conv3d(wider, self.weight, self.bias)

    _forward(model, nn.Conv3d, forward)


@FAULTS.planted(
    "ZV1",
    first_tap="decode.up1.drop_first",
    hint="shift: delayed by 1 sample; axis 2 | tensor: decode.up1.unfolded; indices 0..2",
    **_DECODE,
)
def last_frame_dropped(model: nn.Module) -> None:
    """The last frame is dropped after time was doubled, not the first."""

    def forward(self: DropFirstFrame, x: Tensor) -> Tensor:
        return x[:, :, :-1] if self.doubles_time else x

    _forward(model, DropFirstFrame, forward)


@FAULTS.planted("ZV2", first_tap="decode.conv_in.padded", hint="shift: delayed by 1 sample; axis 2", **_DECODE)
def decoder_pads_in_front(model: nn.Module) -> None:
    """The decoder pads in front only, as the encoder does."""
    for module in model.modules():
        if isinstance(module, RepeatEdgeFrames):
            module.front, module.back = 2, 0


@FAULTS.planted("ZV3", first_tap="encode.conv_in.padded", hint="shift: advanced by 1 sample; axis 2", **_ENCODE)
def encoder_pads_both_sides(model: nn.Module) -> None:
    """The encoder pads both sides, as the decoder does."""
    for module in model.modules():
        if isinstance(module, RepeatEdgeFrames):
            module.front, module.back = 1, 1


@FAULTS.planted("ZV4", first_tap="decode.unnormalized", hint="per-index: axis 1", **_DECODE)
def statistics_swapped(model: nn.Module) -> None:
    """The latent is scaled by the mean and shifted by the deviation."""
    for module in model.modules():
        if isinstance(module, Unnormalize):
            module.mean, module.std = module.std, module.mean


@FAULTS.planted("ZV5", first_tap="encode.latent", hint="tensor: encode.means", **_ENCODE)
def not_normalized(model: nn.Module) -> None:
    """The encoder's latent is not normalised."""

    def forward(_: Normalize, latent: Tensor) -> Tensor:
        return latent

    _forward(model, Normalize, forward)


@FAULTS.planted("ZV6", first_tap="decode.eps", hint="constant: 1e-06", **_DECODE)
def larger_epsilon(model: nn.Module) -> None:
    """Norms have the epsilon of the audio half."""
    for module in model.modules():
        if isinstance(module, PixelNorm):
            module.eps = 1e-6


@FAULTS.planted("ZV7", first_tap="encode.down1.residual", **_ENCODE)
def interleaved_groups(model: nn.Module) -> None:
    """The way around a halving averages channels that lie apart."""

    def forward(self: AverageGroups, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.size, -1)).mean(dim=1)

    _forward(model, AverageGroups, forward)


@FAULTS.planted("ZV8", first_tap="encode.down3.double_first", hint="shift: advanced by 1 sample; axis 2", **_ENCODE)
def last_frame_doubled(model: nn.Module) -> None:
    """The last frame is doubled before time is halved, not the first."""

    def forward(self: DoubleFirstFrame, x: Tensor) -> Tensor:
        return torch.cat([x, x[:, :, -1:]], dim=2) if self.halves_time else x

    _forward(model, DoubleFirstFrame, forward)


@FAULTS.planted(
    "ZV9",
    first_tap="encode.means",
    hint="shift: advanced by 1 sample; axis 1 | tensor: encode.conv_out; indices 1..16",
    **_ENCODE,
)
def variance_kept(model: nn.Module) -> None:
    """The log-variance is taken for the last mean."""

    def forward(_: Means, moments: Tensor) -> Tensor:
        return moments[:, 1:]

    _forward(model, Means, forward)


@FAULTS.planted("ZV10", first_tap="encode.patches", hint="layout: axis 1", **_ENCODE)
def rows_before_columns(model: nn.Module) -> None:
    """Pixels go to channels with rows before columns."""

    def forward(self: Patchify, pixels: Tensor) -> Tensor:
        squares = pixels.unflatten(4, (-1, self.size)).unflatten(3, (-1, self.size))
        return squares.permute(0, 1, 4, 6, 2, 3, 5).flatten(1, 3)

    _forward(model, Patchify, forward)


@FAULTS.planted("ZV11", first_tap="decode.up1.unfolded", hint="layout: axes 3 and 4", **_DECODE)
def box_reversed(model: nn.Module) -> None:
    """Channels are unfolded with rows fastest, not columns."""

    def forward(self: Unfold, x: Tensor) -> Tensor:
        boxes = x.unflatten(1, (-1, *self.stride))
        if self.stride[1] == self.stride[2]:
            boxes = boxes.transpose(3, 4)
        return boxes.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)

    _forward(model, Unfold, forward)


@FAULTS.planted("ZV12", first_tap="decode.frames", hint="rounding")
def frames_rounded(model: nn.Module) -> None:
    """Bytes are rounded, not cut off."""

    def forward(_: ToFrames, pixels: Tensor) -> Tensor:
        shares = ((pixels + 1.0) / 2.0).clamp(0.0, 1.0)
        return (shares * 255.0).round().to(torch.uint8)[0].permute(1, 2, 3, 0)

    _forward(model, ToFrames, forward)


@FAULTS.planted("ZV13", first_tap="tile01.mask.columns", hint="affine: 1.03125; minus; 0.03125", **_TILES)
def ramps_from_zero(model: nn.Module) -> None:
    """Tiles fade in from zero in space as well, not only in time."""
    exact = Trapezoid.forward

    def forward(self: Trapezoid, length: int, rise: int, fall: int, from_zero: bool = False) -> Tensor:
        return exact(self, length, rise, fall, from_zero=True)

    _forward(model, Trapezoid, forward)


@FAULTS.planted("ZV14", first_tap="tile02.mask.frames", hint="broadcast: axis 0", **_TILES)
def latent_in_front_counts(model: nn.Module) -> None:
    """The latent frame by which a later tile starts earlier is not faded over, but counts in full."""
    exact = Trapezoid.forward

    def forward(self: Trapezoid, length: int, rise: int, fall: int, from_zero: bool = False) -> Tensor:
        return exact(self, length, max(0, rise - FRAMES_PER_LATENT) if from_zero else rise, fall, from_zero)

    _forward(model, Trapezoid, forward)


@FAULTS.planted("ZV15", first_tap="stretch00.values", hint="rounding", **_TILES)
def masks_of_the_other_release(model: nn.Module) -> None:
    """Tiles are weighted in float32, as the newest release does."""
    for module in model.modules():
        if isinstance(module, Weigh):
            module.in_float32 = True


@FAULTS.planted("ZV16", first_tap="stretch01.pixels", **_TILES)
def seam_not_carried_over(model: nn.Module) -> None:
    """What a stretch of time leaves for the next one is lost."""

    def forward(_: CarryOver, before: Sums, now: Sums, overlap: int) -> tuple[Sums, Sums]:
        return before, now

    _forward(model, CarryOver, forward)


@FAULTS.planted(
    "ZV17",
    first_tap="stretch00.pixels",
    hint="tensor: stretch00.values | formula: stretch00.weights",
    case="vae-tiles-crowded",
    forward="pass_tiles",
)
def not_divided(model: nn.Module) -> None:
    """Where masks add up to more than one, the sum of tiles is not divided."""

    def forward(_: Divide, sums: Sums, frames: int) -> Tensor:
        return sums.values[:, :, :frames]

    _forward(model, Divide, forward)


@FAULTS.planted(
    "ZV18", first_tap="tile00.mask.columns", hint="reversal: axis 0", case="vae-encode-tiles-long", forward="pass_both"
)
def cut_on_the_other_side(model: nn.Module) -> None:
    """Tiles to encode are cut off at the wrong end."""
    exact = CutOff.forward

    def forward(self: CutOff, length: int, front: int, back: int) -> Tensor:
        return exact(self, length, back, front)

    _forward(model, CutOff, forward)
