"""Faults of the latents: each function plants one in the port, and its docstring says what is then wrong.

That noise is drawn in float32 and rounded is not among them: on torch 2.11's CPU it is another sample than noise drawn
in bfloat16, but on 2.13's, and on a GPU, it is the same.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ltx_port.latents import AudioGrid, Clip, Keyframe, LatentState, Replacement, VideoGrid
from ltx_port.latents.conditions import AppendKeyframe, ReplaceFrames
from ltx_port.latents.noise import AddNoise, DrawNoise
from ltx_port.latents.positions import AudioSeconds, KeyframePositions, PixelBounds, ShiftFrames, VideoPositions
from ltx_port.latents.preparer import AudioRequest, LatentPreparer, VideoRequest
from ltx_port.latents.restorer import ClearConditions
from parity.ltx23.fault import Faults
from parity.ltx23.stages.latents.port import Latents

# Two images on the smallest clip, over the latent of an earlier stage.
FAULTS = Faults("latents", case="latents-small", forward="stage2")
_NEWEST = {"suite": "recorded", "release": "1.2.0", "case": "latents-recorded"}


def _forward(module: nn.Module, replacement: Callable[..., Any]) -> None:
    # On the instance, so that only this port is changed.
    module.forward = MethodType(replacement, module)


@FAULTS.planted("N1", first_tap="video.noise.noised", case="latents-square", forward="square")
def mask_along_channels(port: Latents) -> None:
    """Mask of shape [B, T] broadcast along the channels, not the tokens."""
    exact = AddNoise.forward

    def forward(self: AddNoise, state: LatentState, noise: Tensor, scale: float) -> Tensor:
        wrong = copy(state)
        # Past the constructor, whose checked shapes (in the tests) would refuse such a mask.
        object.__setattr__(wrong, "mask", state.mask.transpose(1, 2))
        return exact(self, wrong, noise, scale)

    _forward(port.prepare.video.noised, forward)


@FAULTS.planted("N4", first_tap="video.noise.drawn", hint="layout: axes 1 and 2", forward="text")
def noise_in_the_grid(port: Latents) -> None:
    """Noise drawn as channels, frames, rows, columns and then made tokens."""

    def forward(_: DrawNoise, latent: Tensor, generator: torch.Generator) -> Tensor:
        shape = latent.transpose(1, 2).shape
        return torch.randn(shape, dtype=latent.dtype, device=latent.device, generator=generator).transpose(1, 2)

    _forward(port.prepare.video.noise, forward)


@FAULTS.planted(
    "ZN1", first_tap="video.noise.drawn", hint="shift: advanced by 9 samples; axis 1 | shift: advanced by 1152 samples"
)
def audio_draws_first(port: Latents) -> None:
    """Audio noise drawn before the video's."""

    def forward(
        self: LatentPreparer,
        clip: Clip,
        video: VideoRequest,
        audio: AudioRequest,
        generator: torch.Generator,
        dtype: torch.dtype,
    ) -> tuple[LatentState, LatentState]:
        prepared = self.audio(clip, audio, generator, dtype)
        return self.video(clip, video, generator, dtype), prepared

    _forward(port.prepare, forward)


@FAULTS.planted("ZN2", first_tap="video.noise.drawn", hint="zero")
def noise_for_the_clip_alone(port: Latents) -> None:
    """Noise drawn for the clip's tokens alone, not for appended ones."""
    appended = 4

    def forward(_: DrawNoise, latent: Tensor, generator: torch.Generator) -> Tensor:
        shape = (latent.shape[0], latent.shape[1] - appended, latent.shape[2])
        noise = torch.randn(shape, dtype=latent.dtype, device=latent.device, generator=generator)
        return torch.cat([noise, torch.zeros_like(latent[:, -appended:])], dim=1)

    _forward(port.prepare.video.noise, forward)


@FAULTS.planted(
    "ZN3",
    first_tap="video.noise.noised",
    hint="formula: noise.drawn; noise.received.latent; noise.received.mask | "
    "formula: noise.drawn; noise.received.clean; noise.received.mask | tensor: noise.drawn",
)
def noise_not_scaled(port: Latents) -> None:
    """Second stage started from noise alone: the first noise level not applied."""
    exact = AddNoise.forward

    def forward(self: AddNoise, state: LatentState, noise: Tensor, scale: float) -> Tensor:
        return exact(self, state, noise, 1.0)

    for stream in (port.prepare.video, port.prepare.audio):
        _forward(stream.noised, forward)


@FAULTS.planted("ZN4", first_tap="video.noise.noised", hint="rounding", case="latents-both", forward="batch")
def noise_mixed_in_the_working_dtype(port: Latents) -> None:
    """Mask and mixture in the working dtype, not in float32."""

    def forward(_: AddNoise, state: LatentState, noise: Tensor, scale: float) -> Tensor:
        weight = (state.mask * scale).to(noise.dtype)
        return noise * weight + state.latent * (1 - weight)

    _forward(port.prepare.video.noised, forward)


@FAULTS.planted("ZN5", first_tap="condition00.mask", hint="affine: one minus")
def strength_inverted(port: Latents) -> None:
    """Strength of a condition taken for how far it is denoised."""
    exact = ReplaceFrames.forward

    def forward(self: ReplaceFrames, state: LatentState, grid: VideoGrid, condition: Replacement) -> LatentState:
        return exact(self, state, grid, replace(condition, strength=1.0 - condition.strength))

    _forward(port.prepare.video.replace, forward)


@FAULTS.planted("ZN6", first_tap="condition01.mask", hint="rounding: bfloat16")
def strength_not_rounded(port: Latents) -> None:
    """Mask of appended tokens in float32, not rounded to the working dtype first."""
    exact = AppendKeyframe.forward

    def forward(self: AppendKeyframe, state: LatentState, clip: Clip, condition: Keyframe) -> LatentState:
        found = exact(self, state, clip, condition)
        mask = found.mask.clone()
        mask[:, state.mask.shape[1] :] = 1.0 - condition.strength
        return replace(found, mask=mask)

    _forward(port.prepare.video.append, forward)


@FAULTS.planted("ZN7", first_tap="condition01.positions", hint="offset: minus; 0.333333")
def keyframe_at_the_start(port: Latents) -> None:
    """Appended keyframe not moved to its frame."""
    exact = ShiftFrames.forward

    def forward(self: ShiftFrames, pixels: Tensor, frame: int) -> Tensor:
        return exact(self, pixels, 0)

    _forward(port.prepare.video.append.positions.shift, forward)


@FAULTS.planted("ZN8", first_tap="condition01.positions.pixels", hint="offset: minus; 7")
def keyframe_taken_for_a_first_frame(port: Latents) -> None:
    """Appended keyframe given the causal offset of a clip's first frame."""
    exact = PixelBounds.forward

    def forward(self: PixelBounds, bounds: Tensor, causal: bool) -> Tensor:
        return exact(self, bounds, True)

    _forward(port.prepare.video.append.positions.pixels, forward)


@FAULTS.planted(
    "ZN9", first_tap="condition00.positions", hint="rounding: bfloat16", case="latents-both", forward="replaced_last"
)
def keyframe_positions_rounded(port: Latents) -> None:
    """Positions of an appended keyframe rounded to the working dtype, as the clip's own are."""
    exact = KeyframePositions.forward

    def forward(self: KeyframePositions, grid: VideoGrid, frame: int, fps: float, device: torch.device) -> Tensor:
        return exact(self, grid, frame, fps, device).to(torch.bfloat16).float()

    _forward(port.prepare.video.append.positions, forward)


@FAULTS.planted("ZN10", first_tap="video.positions.pixels", hint="offset: plus; 7")
def first_frame_not_causal(port: Latents) -> None:
    """First latent frame taken to last eight pixel frames."""
    exact = PixelBounds.forward

    def forward(self: PixelBounds, bounds: Tensor, causal: bool) -> Tensor:
        return exact(self, bounds, False)

    _forward(port.prepare.video.positions.pixels, forward)


@FAULTS.planted("ZN11", first_tap="audio.positions.start", hint="offset: plus; 0.03")
def audio_not_causal(port: Latents) -> None:
    """Audio latent frames placed without the causal offset."""

    def forward(_: AudioSeconds, first: int, count: int, device: torch.device) -> Tensor:
        return torch.arange(first, first + count, dtype=torch.float32, device=device) * 4 * 160 / 16000

    _forward(port.prepare.audio.positions.seconds, forward)


@FAULTS.planted("ZN12", first_tap="audio.tokens.latent", hint="layout: axis 2")
def audio_bins_outside(port: Latents) -> None:
    """Audio tokens with their bins outside and their channels inside."""

    def forward(_: nn.Module, latent: Tensor) -> Tensor:
        return latent.permute(0, 2, 3, 1).flatten(2)

    _forward(port.prepare.audio.patchify, forward)


@FAULTS.planted(
    "ZN13", first_tap="video.tokens.latent", hint="layout: axis 1", case="latents-stages", forward="stage2_text"
)
def columns_before_rows(port: Latents) -> None:
    """Video tokens column by column, not row by row."""

    def forward(_: nn.Module, latent: Tensor) -> Tensor:
        return latent.permute(0, 2, 4, 3, 1).flatten(1, 3)

    _forward(port.prepare.video.patchify, forward)


@FAULTS.planted(
    "ZN14", first_tap="video.end.latent", hint="layout: axes 3 and 4", case="latents-stages", forward="stage2_text"
)
def rows_and_columns_swapped(port: Latents) -> None:
    """Restored video with rows read as columns."""

    def forward(_: nn.Module, tokens: Tensor, grid: VideoGrid) -> Tensor:
        return tokens.unflatten(1, (grid.frames, grid.columns, grid.rows)).permute(0, 4, 1, 3, 2)

    _forward(port.restore.video.unpatchify, forward)


@FAULTS.planted(
    "ZN15",
    first_tap="video.end.cleared.latent",
    hint="shift: advanced by 4 samples; axis 1 | tensor: end.received; indices 4..11",
)
def appended_tokens_kept(port: Latents) -> None:
    """Appended tokens kept, and the clip's first ones dropped for them."""
    exact = ClearConditions.forward

    def forward(self: ClearConditions, state: LatentState, grid: VideoGrid | AudioGrid) -> LatentState:
        return replace(exact(self, state, grid), latent=state.latent[:, -grid.tokens :])

    _forward(port.restore.video.clear, forward)


@FAULTS.planted(
    "ZN16",
    first_tap="condition01.clean",
    hint="shift: delayed by 6 samples; axis 1",
    case="latents-both",
    forward="replaced_last",
)
def replaced_at_the_end(port: Latents) -> None:
    """Place of a replacement counted from the end of all tokens, appended ones among them."""
    exact = ReplaceFrames.forward

    def forward(self: ReplaceFrames, state: LatentState, grid: VideoGrid, condition: Replacement) -> LatentState:
        moved = exact(self, state, grid, condition)
        extra = state.latent.shape[1] - grid.tokens
        return replace(moved, clean=moved.clean.roll(extra, dims=1))

    _forward(port.prepare.video.replace, forward)


@FAULTS.planted("ZN17", first_tap="video.positions.seconds", hint="rounding: bfloat16", forward="images", **_NEWEST)
def rounded_positions_in_the_newest(port: Latents) -> None:
    """Release 1.2.0 with video positions rounded to the working dtype."""
    exact = VideoPositions.forward

    def forward(self: VideoPositions, grid: VideoGrid, fps: float, dtype: torch.dtype, device: torch.device) -> Tensor:
        return exact(self, grid, fps, dtype, device).to(dtype).float()

    _forward(port.prepare.video.positions, forward)


@FAULTS.planted(
    "ZN18",
    first_tap="condition00.latent",
    hint="tensor: condition00.clean | tensor: condition00.tokens",
    forward="images",
    **_NEWEST,
)
def conditions_in_the_noisy_latent_of_the_newest(port: Latents) -> None:
    """Release 1.2.0 with conditions written into the noisy latent too."""
    port.prepare.video.replace.only_clean = False
    port.prepare.video.append.only_clean = False


@FAULTS.planted("ZN19", first_tap="condition01.positions", hint="offset: plus; 0.291667", forward="images", **_NEWEST)
def long_keyframes_in_the_newest(port: Latents) -> None:
    """Release 1.2.0 with keyframes that last eight frames."""
    port.prepare.video.append.positions.shift.one_frame = False


@FAULTS.planted(
    "ZN20",
    first_tap="video.noise.noised",
    hint="formula: noise.drawn; noise.received.latent; noise.received.mask",
    dtype=torch.float32,
    **_NEWEST,
)
def weighted_sum_in_the_newest(port: Latents) -> None:
    """Release 1.2.0 with noise mixed in by one weighted sum."""
    for stream in (port.prepare.video, port.prepare.audio):
        stream.noised.by_lerp = False
