"""Faults of the upsampler: each function plants one in a loaded port, and its docstring says what is then wrong."""

from collections.abc import Callable
from types import MethodType
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ltx_port.upsampler import UpsampleVideo
from ltx_port.upsampler.upsampler import FoldFrames
from parity.ltx23.fault import Faults

FAULTS = Faults("upsampler", case="upsampler-sizes", forward="latent_3x3x5")


def _forward(module: nn.Module, replacement: Callable[..., Any]) -> None:
    # On the instance, so that only this model is changed.
    module.forward = MethodType(replacement, module)


@FAULTS.planted("U1", first_tap="unnormalized", hint="tensor: latent_3x3x5.latent")
def unwrapped(model: UpsampleVideo) -> None:
    """Not wrapped in un-normalize and normalize."""
    for statistics in (model.unnormalize, model.normalize):
        _forward(statistics, lambda _, latent: latent)


@FAULTS.planted("ZU1", first_tap="normalized", hint="tensor: latent_3x3x5.upsampled")
def not_normalized(model: UpsampleVideo) -> None:
    """Un-normalised, but not normalised again."""
    _forward(model.normalize, lambda _, latent: latent)


@FAULTS.planted("ZU2", first_tap="unnormalized", hint="per-index: axis 1")
def inverted_statistics(model: UpsampleVideo) -> None:
    """Normalised in front of the upsampler and un-normalised behind it."""
    for statistics, other in ((model.unnormalize, model.normalize), (model.normalize, model.unnormalize)):
        _forward(statistics, type(other).forward)


@FAULTS.planted("ZU3", first_tap="enlarge.shuffled", hint="layout: 2 x 2; axes 2 and 3")
def swapped_square(model: UpsampleVideo) -> None:
    """Rows and columns of the shuffled squares swapped."""
    exact = nn.PixelShuffle.forward

    def forward(self: nn.PixelShuffle, x: Tensor) -> Tensor:
        return exact(self, x.transpose(2, 3)).transpose(2, 3)

    _forward(model.upsampler.enlarge.shuffle, forward)


@FAULTS.planted("ZU4", first_tap="enlarge.folded", hint="layout: axes 0 and 1")
def frames_not_folded(model: UpsampleVideo) -> None:
    """Latent cut into images without moving frames in front of channels."""

    def forward(_: FoldFrames, x: Tensor) -> Tensor:
        batch, channels, frames, *size = x.shape
        return x.reshape(batch * frames, channels, *size)

    _forward(model.upsampler.enlarge.fold, forward)


@FAULTS.planted("ZU5", first_tap="norm_in", hint="per-index: axis 1; axis 2")
def norm_frame_by_frame(model: UpsampleVideo) -> None:
    """Group norm over each frame alone, not over the clip."""

    def forward(self: nn.GroupNorm, x: Tensor) -> Tensor:
        images = x.transpose(1, 2).flatten(0, 1)
        normed = F.group_norm(images, self.num_groups, self.weight, self.bias, self.eps)
        return normed.unflatten(0, (x.shape[0], -1)).transpose(1, 2)

    for module in model.upsampler.modules():
        if isinstance(module, nn.GroupNorm):
            _forward(module, forward)


@FAULTS.planted("ZU6", first_tap="config.norm_groups", hint="constant: has 16; 32")
def other_groups(model: UpsampleVideo) -> None:
    """Half as many groups of channels in the norms."""
    for module in model.upsampler.modules():
        if isinstance(module, nn.GroupNorm):
            module.num_groups //= 2


@FAULTS.planted(
    "ZU7", first_tap="enlarge.unfolded", hint="layout: axes 0 and 2", case="upsampler-batch", forward="latent_2x3x2_b2"
)
def samples_mixed(model: UpsampleVideo) -> None:
    """Frames of two samples taken for alternating ones when they are unfolded."""

    def forward(_: nn.Module, x: Tensor, batch: int) -> Tensor:
        return x.unflatten(0, (-1, batch)).permute(1, 2, 0, 3, 4)

    _forward(model.upsampler.enlarge.unfold, forward)
