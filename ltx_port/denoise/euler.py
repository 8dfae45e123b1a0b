"""The first-order sampler: one evaluation and one straight step for each noise level."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.denoise.denoiser import Denoised, Level, Pair
from ltx_port.denoise.schedule import check_sigmas
from ltx_port.denoise.stream import MaskBlend, NoisyStream

Evaluate = Callable[[Pair, Level], Denoised]


class Interval(nn.Module):
    """The way from one noise level to the next."""

    def forward(self, sigma: Float[Tensor, ""], following: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Give following - sigma, below zero."""
        return following - sigma


class Velocity(nn.Module):
    """The velocity that leads from x0 to a sample."""

    def forward(
        self,
        sample: Float[Tensor, "batch tokens channels"],
        x0: Float[Tensor, "batch tokens channels"],
        sigma: Float[Tensor, ""],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give (sample - x0) / sigma: computed in float32, then rounded to the sample's dtype."""
        difference = sample.to(torch.float32) - x0.to(torch.float32)
        # The level of the sample, not of its tokens: clean tokens have been blended in.
        return (difference / sigma.to(torch.float32).item()).to(sample.dtype)


class Advance(nn.Module):
    """Follows a velocity."""

    def forward(
        self,
        sample: Float[Tensor, "batch tokens channels"],
        velocity: Float[Tensor, "batch tokens channels"],
        interval: Float[Tensor, ""],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give sample + velocity * interval: computed in float32 from the rounded velocity, then rounded."""
        return (sample.to(torch.float32) + velocity.to(torch.float32) * interval).to(sample.dtype)


class EulerStep(nn.Module):
    """One step of one stream. Source: EulerDiffusionStep of ltx_core.components.diffusion_steps."""

    def __init__(self) -> None:
        super().__init__()
        self.interval = Interval()
        self.velocity = Velocity()
        self.advance = Advance()

    def forward(
        self,
        sample: Float[Tensor, "batch tokens channels"],
        x0: Float[Tensor, "batch tokens channels"],
        sigma: Float[Tensor, ""],
        following: Float[Tensor, ""],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give the sample at the following noise level."""
        return self.advance(sample, self.velocity(sample, x0, sigma), self.interval(sigma, following))


class EulerLoop(nn.Module):
    """Denoises both streams. Source: euler_denoising_loop of ltx_pipelines.utils.samplers."""

    def __init__(self) -> None:
        super().__init__()
        self.blend_video = MaskBlend()
        self.blend_audio = MaskBlend()
        self.step_video = EulerStep()
        self.step_audio = EulerStep()

    def forward(self, evaluate: Evaluate, sigmas: Float[Tensor, " levels"], streams: Pair) -> Pair:
        """Give both streams at the last noise level; InputError for levels that do not fall from step to step."""
        check_sigmas(sigmas)
        for step in range(len(sigmas) - 1):
            level, following = sigmas[step], sigmas[step + 1]
            x0 = evaluate(streams, Level(level, step))
            video = self.blend_video(x0.video, streams.video.mask, streams.video.clean)
            audio = self.blend_audio(x0.audio, streams.audio.mask, streams.audio.clean)
            streams = Pair(
                moved(streams.video, self.step_video(streams.video.latent, video, level, following)),
                moved(streams.audio, self.step_audio(streams.audio.latent, audio, level, following)),
            )
        return streams


def moved(stream: NoisyStream, latent: Float[Tensor, "batch tokens channels"]) -> NoisyStream:
    """Give the stream with another latent."""
    return replace(stream, latent=latent)
