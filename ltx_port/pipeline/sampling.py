"""One sampling stage: noisy latents, the loop, and the latents of the clip."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.denoise import EulerLoop, NoisyStream, Res2sLoop
from ltx_port.denoise.denoiser import Denoised, Level, Pair
from ltx_port.latents import AudioRequest, Clip, LatentPreparer, LatentRestorer, LatentState, VideoRequest
from ltx_port.release import Release

Evaluate = Callable[[Pair, Level], Denoised]


class HandOver(nn.Module):
    """A place between two steps; gives what it takes."""

    def forward(self, x: Any) -> Any:
        """Give x."""
        return x


class Latents(NamedTuple):
    """Both streams in their grids."""

    video: Float[Tensor, "1 channels latent_frames rows columns"]
    audio: Float[Tensor, "1 audio_channels audio_frames bins"]


class Start(NamedTuple):
    """What a stage starts from; the generator goes on from stage to stage."""

    clip: Clip
    video: VideoRequest
    audio: AudioRequest
    generator: torch.Generator


class SamplingStage(nn.Module):
    """Draws noise for both streams, denoises them, and lays them out."""

    def __init__(self, release: Release, second_order: bool):
        super().__init__()
        self.prepare = LatentPreparer(release)
        self.sigmas = HandOver()
        self.asked, self.answered = HandOver(), HandOver()
        self.loop = Res2sLoop() if second_order else EulerLoop()
        self.restore = LatentRestorer()

    def forward(
        self, start: Start, evaluate: Evaluate, sigmas: Float[Tensor, " levels"], dtype: torch.dtype
    ) -> Latents:
        """Give the denoised latents on the generator's device; `dtype` is the working dtype."""
        video, audio = self.prepare(start.clip, start.video, start.audio, start.generator, dtype)

        def shown(streams: Pair, level: Level) -> Denoised:
            return self.answered(evaluate(self.asked(streams), level))

        found = self.loop(shown, self.sigmas(sigmas), Pair(_noisy(video), _noisy(audio)))
        restored = self.restore(start.clip, _state(found.video), _state(found.audio))
        return Latents(restored[0].latent, restored[1].latent)

    def evaluations(self, levels: int) -> int:
        """Give how often the loop evaluates the model on a schedule of so many levels that ends at 0."""
        return 2 * (levels - 1) + 1 if isinstance(self.loop, Res2sLoop) else levels - 1


def _noisy(state: LatentState) -> NoisyStream:
    return NoisyStream(state.latent, state.clean, state.mask, state.positions)


def _state(stream: NoisyStream) -> LatentState:
    return LatentState(stream.latent, stream.clean, stream.mask, stream.positions)
