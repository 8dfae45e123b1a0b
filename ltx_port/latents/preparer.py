"""From a request to the noisy latents that the first denoising step takes."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.latents.conditions import AppendKeyframe, Condition, ReplaceFrames, Replacement
from ltx_port.latents.geometry import Clip
from ltx_port.latents.noise import AddNoise, DrawNoise
from ltx_port.latents.patchify import PatchifyAudio, PatchifyVideo
from ltx_port.latents.positions import AudioPositions, VideoPositions
from ltx_port.latents.start import Start, StartLatent
from ltx_port.latents.state import LatentState
from ltx_port.release import NEWEST, Release


@dataclass(frozen=True)
class VideoRequest:
    """How the video stream begins.

    `conditions` are applied in their order. `initial` is the latent of an earlier stage, `noise_scale` the noise level
    that it is taken to: 1 is noise alone.
    """

    conditions: tuple[Condition, ...] = ()
    initial: Float[Tensor, "batch channels frames rows columns"] | None = None
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        _require_scale(self.noise_scale)


@dataclass(frozen=True)
class AudioRequest:
    """How the audio stream begins; the same terms."""

    initial: Float[Tensor, "batch channels frames bins"] | None = None
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        _require_scale(self.noise_scale)


class VideoPreparer(nn.Module):
    """The video stream: start, tokens, conditions, noise."""

    def __init__(self, release: Release):
        super().__init__()
        self.start = StartLatent()
        self.positions = VideoPositions(release)
        self.patchify = PatchifyVideo()
        self.replace = ReplaceFrames(release)
        self.append = AppendKeyframe(release)
        self.noise = DrawNoise()
        self.noised = AddNoise(release)

    def forward(self, clip: Clip, request: VideoRequest, generator: torch.Generator, dtype: torch.dtype) -> LatentState:
        """Give the noisy tokens; noise is drawn last, for appended tokens as well."""
        grid, device = clip.video, generator.device
        start: Start = self.start(grid, request.initial, dtype, device)
        positions = self.positions(grid, clip.fps, dtype, device)
        tokens = self.patchify
        state = LatentState(tokens(start.latent), tokens(start.clean), tokens(start.mask), positions)
        for condition in request.conditions:
            if isinstance(condition, Replacement):
                state = self.replace(state, grid, condition)
            else:
                state = self.append(state, clip, condition)
        return replace(state, latent=self.noised(state, self.noise(state.latent, generator), request.noise_scale))


class AudioPreparer(nn.Module):
    """The audio stream: start, tokens, noise."""

    def __init__(self, release: Release):
        super().__init__()
        self.start = StartLatent()
        self.positions = AudioPositions()
        self.patchify = PatchifyAudio()
        self.noise = DrawNoise()
        self.noised = AddNoise(release)

    def forward(self, clip: Clip, request: AudioRequest, generator: torch.Generator, dtype: torch.dtype) -> LatentState:
        """Give the noisy tokens."""
        grid, device = clip.audio, generator.device
        start: Start = self.start(grid, request.initial, dtype, device)
        tokens = self.patchify
        positions = self.positions(grid, device)
        state = LatentState(tokens(start.latent), tokens(start.clean), tokens(start.mask), positions)
        return replace(state, latent=self.noised(state, self.noise(state.latent, generator), request.noise_scale))


class LatentPreparer(nn.Module):
    """Both streams, from one generator."""

    def __init__(self, release: Release = NEWEST):
        super().__init__()
        self.video = VideoPreparer(release)
        self.audio = AudioPreparer(release)

    def forward(
        self, clip: Clip, video: VideoRequest, audio: AudioRequest, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[LatentState, LatentState]:
        """Give (video, audio) on the generator's device; `dtype` is the working dtype.

        The generator goes on from stage to stage, and in each stage video draws first.
        """
        prepared: LatentState = self.video(clip, video, generator, dtype)
        return prepared, self.audio(clip, audio, generator, dtype)


def _require_scale(scale: float) -> None:
    if not (math.isfinite(scale) and 0.0 <= scale <= 1.0):
        raise InputError("noise scale", f"{scale}", "a noise level from 0 to 1", "give the first sigma of the stage")
