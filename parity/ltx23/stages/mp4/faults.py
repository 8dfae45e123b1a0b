"""Faults of the MP4: each function plants one in a loaded port, and its docstring says what is then wrong."""

from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ltx_port.mp4.frames import Bt709Planes, HalveChroma, PackPlanes, RgbBytes, ToYuv
from ltx_port.mp4.sound import PcmSamples
from parity.ltx23.fault import Faults
from parity.ltx23.stages.mp4.port import Mp4

FAULTS = Faults("mp4", case="mp4-small", forward="clip")
_NEWEST: dict[str, Any] = {"suite": "recorded", "release": "1.2.0"}


def _forward(module: nn.Module, replacement: Callable[..., Any]) -> None:
    # On the instance, so that only this model is changed.
    module.forward = MethodType(replacement, module)


def _planes(port: Mp4) -> Bt709Planes:
    planes = port.writer.frames.convert
    assert isinstance(planes, Bt709Planes), "release 1.2.0 encodes planes"
    return planes


@FAULTS.planted("ZM1", first_tap="chunk00.yuv", **_NEWEST)
def bt601(port: Mp4) -> None:
    """Luma and chroma weighed as in BT.601, the matrix of standard definition."""
    rows = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]

    def forward(_: ToYuv, frames: Tensor) -> Tensor:
        return (frames @ torch.tensor(rows).to(frames.dtype).T).movedim(-1, 1)

    _forward(_planes(port).to_yuv, forward)


@FAULTS.planted("ZM2", first_tap="chunk00.luma_levels", hint="affine: 1.16438; minus; 18.6301", **_NEWEST)
def full_range(port: Mp4) -> None:
    """Levels over the full range from 0 to 255, not the limited one."""
    planes = _planes(port)
    for part, offset in ((planes.luma_range, 0), (planes.chroma_range, 128)):
        part.scale, part.offset = 255, offset


# In bfloat16 most levels are whole numbers already.
@FAULTS.planted("ZM3", first_tap="chunk00.frames", hint="rounding", dtype=torch.float32, **_NEWEST)
def rounded_levels(port: Mp4) -> None:
    """Levels rounded to bytes, not cut off."""
    exact = PackPlanes.forward

    def forward(self: PackPlanes, luma: Tensor, chroma: Tensor) -> Tensor:
        return exact(self, luma.round(), chroma.round())

    _forward(_planes(port).pack, forward)


@FAULTS.planted("ZM4", first_tap="chunk00.chroma", hint="tensor: chunk00.yuv", **_NEWEST)
def chroma_of_one_pixel(port: Mp4) -> None:
    """Chroma of the upper left pixel of four, not their mean."""

    def forward(_: HalveChroma, yuv: Tensor) -> Tensor:
        return yuv[:, 1:, ::2, ::2].contiguous()

    _forward(_planes(port).halve, forward)


@FAULTS.planted(
    "ZM5",
    first_tap="chunk00.frames",
    hint="permutation: indices 4 and 5; axis 1 | shift: axis 1 | reversal: axis 1",
    **_NEWEST,
)
def chroma_planes_swapped(port: Mp4) -> None:
    """Red difference in front of the blue one."""
    exact = PackPlanes.forward

    def forward(self: PackPlanes, luma: Tensor, chroma: Tensor) -> Tensor:
        return exact(self, luma, chroma.flip(1).contiguous())

    _forward(_planes(port).pack, forward)


@FAULTS.planted("ZM6", first_tap="chunk00.rgb", hint="rounding", dtype=torch.float32, **_NEWEST)
def rounded_bytes(port: Mp4) -> None:
    """Bytes of a PNG rounded, not cut off."""

    def forward(_: RgbBytes, frames: Tensor) -> Tensor:
        return (frames.float().clamp(0, 1) * 255).round().to(torch.uint8)

    _forward(port.rgb, forward)


@FAULTS.planted("ZM7", first_tap="chunk00.frames", hint="reversal: axis 3 | permutation: indices 0 and 2; axis 3")
def blue_first(port: Mp4) -> None:
    """Frames with blue first."""

    def forward(_: RgbBytes, frames: Tensor) -> Tensor:
        return frames.flip(3)

    _forward(port.writer.frames.convert, forward)


def _samples(port: Mp4, replacement: Callable[[Tensor], Tensor]) -> None:
    def forward(_: PcmSamples, waveform: Tensor) -> Tensor:
        return replacement(waveform.T).to(torch.int16).contiguous()

    _forward(port.writer.samples, forward)


@FAULTS.planted("ZM8", first_tap="samples")
def scaled_by_32768(port: Mp4) -> None:
    """Samples scaled by 32768, so that full scale wraps around."""
    _samples(port, lambda waveform: (waveform.clamp(-1, 1) * 32768).int())


@FAULTS.planted("ZM9", first_tap="samples", hint="rounding")
def rounded_samples(port: Mp4) -> None:
    """Samples rounded, not cut off."""
    _samples(port, lambda waveform: (waveform.clamp(-1, 1) * 32767).round())


@FAULTS.planted(
    "ZM10",
    first_tap="samples",
    hint="reversal: axis 1 | permutation: indices 0 and 1; axis 1 | shift: half exchanged along axis 1",
)
def swapped_channels(port: Mp4) -> None:
    """Left and right swapped."""
    _samples(port, lambda waveform: waveform.flip(1).clamp(-1, 1) * 32767)


@FAULTS.planted("ZM11", first_tap="samples")
def not_clipped(port: Mp4) -> None:
    """Samples beyond full scale wrap around."""
    _samples(port, lambda waveform: (waveform * 32767).int())


@FAULTS.planted("ZM12", first_tap="video.packets", case="mp4-files", forward="short")
def another_quality(port: Mp4) -> None:
    """Encoded at a quality of 19, not 23."""
    port.writer.release = replace(port.writer.release, video_crf=19)


@FAULTS.planted("ZM13", first_tap="video.packets", case="mp4-files", forward="long")
def another_speed(port: Mp4) -> None:
    """Encoded with the preset of release 1.2.0."""
    port.writer.release = replace(port.writer.release, video_preset="veryfast")
