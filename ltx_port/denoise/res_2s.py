"""The second-order sampler of high-quality generation: two evaluations and two doses of fresh noise a step.

An exponential Runge-Kutta method in h = log(sigma / following), with everything between evaluations in float64.
Source: res2s_audio_video_denoising_loop of ltx_pipelines.utils.samplers, as the official pipelines call it.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from ltx_port.denoise.denoiser import Level, Pair
from ltx_port.denoise.euler import Evaluate, moved
from ltx_port.denoise.fresh_noise import NoiseInjection
from ltx_port.denoise.schedule import check_sigmas
from ltx_port.denoise.stream import MaskBlend, NoisyStream

# The reference's own constants.
NOISE_SEED = -1
SUBSTEP_SEED = NOISE_SEED + 10_000
LAST_SIGMA = 0.0011
_MIDPOINT = 0.5
_REFINEMENTS = 100
_REFINED_BELOW_H, _REFINED_ABOVE_SIGMA = 0.5, 0.03
_SMALLEST_H = 1e-10


class Coefficients(NamedTuple):
    """Of one step: to the midpoint, and of its two evaluations."""

    midpoint: float
    first: float
    second: float


class LogSteps(nn.Module):
    """Step sizes in the logarithm of the noise level."""

    def forward(self, sigmas: Float[Tensor, " levels"]) -> Float64[Tensor, " steps"]:
        """Give log(sigma / following) in float64, on the CPU; infinite for a step to 0."""
        # All at once: a logarithm of several numbers may round otherwise than one of each.
        return -torch.log(sigmas[1:].double().cpu() / sigmas[:-1].double().cpu())


class StepCoefficients(nn.Module):
    """The coefficients of one step, from the functions phi_1 and phi_2 of exponential integrators."""

    def forward(self, h: Float64[Tensor, ""]) -> Float64[Tensor, "3"]:
        """Give (to the midpoint, of the first evaluation, of the second)."""
        size = h.item()
        second = self.phi(2, -size) / _MIDPOINT
        midpoint = _MIDPOINT * self.phi(1, -size * _MIDPOINT)
        return torch.tensor([midpoint, self.phi(1, -size) - second, second], dtype=torch.float64)

    @staticmethod
    def phi(order: int, z: float) -> float:
        """Give (e^z - the first `order` terms of its series) / z^order; its limit 1 / order! near zero."""
        if abs(z) < _SMALLEST_H:
            return 1.0 / math.factorial(order)
        remainder = sum(z**k / math.factorial(k) for k in range(order))
        return (math.exp(z) - remainder) / (z**order)


class MidpointLevel(nn.Module):
    """The noise level between two."""

    def forward(self, sigma: Float64[Tensor, ""], following: Float64[Tensor, ""]) -> Float64[Tensor, ""]:
        """Give their geometric mean: the middle in the logarithm."""
        return torch.sqrt(sigma * following)


class Midpoint(nn.Module):
    """Goes from the anchor half a step towards x0."""

    def forward(
        self,
        anchor: Float64[Tensor, "batch tokens channels"],
        direction: Float64[Tensor, "batch tokens channels"],
        reach: float,
    ) -> Float64[Tensor, "batch tokens channels"]:
        """Give anchor + reach * direction."""
        return anchor + reach * direction


class Refine(nn.Module):
    """Moves the anchor back to where the noised midpoint would have come from."""

    def forward(
        self,
        noised: Float64[Tensor, "batch tokens channels"],
        x0: Float[Tensor, "batch tokens channels"],
        direction: Float64[Tensor, "batch tokens channels"],
        reach: float,
    ) -> tuple[Float64[Tensor, "batch tokens channels"], Float64[Tensor, "batch tokens channels"]]:
        """Give (anchor, direction) after a fixed number of rounds."""
        anchor = noised
        for _ in range(_REFINEMENTS):
            anchor = noised - reach * direction
            direction = x0.double() - anchor
        return anchor, direction


class Finish(nn.Module):
    """Combines both evaluations to one step."""

    def forward(
        self,
        anchor: Float64[Tensor, "batch tokens channels"],
        directions: tuple[Float64[Tensor, "batch tokens channels"], Float64[Tensor, "batch tokens channels"]],
        h: float,
        coefficients: Coefficients,
    ) -> Float64[Tensor, "batch tokens channels"]:
        """Give the sample at the following noise level, before fresh noise."""
        return anchor + h * (coefficients.first * directions[0] + coefficients.second * directions[1])


class Step(NamedTuple):
    """What both streams of one step share."""

    sigma: Tensor
    following: Tensor
    middle: Tensor
    h: float
    coefficients: Coefficients

    @property
    def reach(self) -> float:
        """How far the midpoint is from the anchor."""
        return self.h * self.coefficients.midpoint


class Half(NamedTuple):
    """A stream after the first half of a step: at the midpoint, with where it came from and was going."""

    noised: Tensor
    anchor: Tensor
    direction: Tensor


class StreamStep(nn.Module):
    """One step of one stream, around the second evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.blend = MaskBlend()
        self.midpoint = Midpoint()
        self.inject = NoiseInjection()
        self.refine = Refine()
        self.blend_again = MaskBlend()
        self.finish = Finish()
        self.inject_again = NoiseInjection()

    def begin(self, stream: NoisyStream, x0: Tensor, step: Step, generator: torch.Generator) -> Half:
        """Go to the midpoint with the first x0."""
        x0 = self.blend(x0, stream.mask, stream.clean)
        anchor = stream.latent.double()
        direction = x0.double() - anchor
        half = self.midpoint(anchor, direction, step.reach)
        noised = self.inject(anchor, half, stream, (step.sigma.double(), step.middle), generator)
        if step.h < _REFINED_BELOW_H and step.sigma.double() > _REFINED_ABOVE_SIGMA:
            anchor, direction = self.refine(noised, x0, direction, step.reach)
        return Half(noised, anchor, direction)

    def end(self, stream: NoisyStream, half: Half, x0: Tensor, step: Step, generator: torch.Generator) -> NoisyStream:
        """Go from the anchor to the following noise level with the second x0."""
        x0 = self.blend_again(x0, stream.mask, stream.clean)
        following = self.finish(half.anchor, (half.direction, x0.double() - half.anchor), step.h, step.coefficients)
        # Levels as the schedule has them, in float32; those of the midpoint are float64.
        noised = self.inject_again(half.anchor, following, stream, (step.sigma, step.following), generator)
        return moved(stream, noised.to(stream.latent.dtype))


class Res2sLoop(nn.Module):
    """Denoises both streams.

    Between evaluations the streams are rounded to the dtype that they came in.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_steps = LogSteps()
        self.coefficients = StepCoefficients()
        self.middle = MidpointLevel()
        self.video = StreamStep()
        self.audio = StreamStep()
        self.blend_video = MaskBlend()
        self.blend_audio = MaskBlend()

    def forward(self, evaluate: Evaluate, sigmas: Float[Tensor, " levels"], streams: Pair) -> Pair:
        """Give both streams at the last noise level; InputError for levels that do not fall from step to step."""
        check_sigmas(sigmas)
        steps, device = len(sigmas) - 1, streams.video.latent.device
        ends_clean = bool(sigmas[-1] == 0)
        if ends_clean:
            # Zero has no logarithm: the last step ends at a small level, and one more evaluation removes that.
            sigmas = torch.cat([sigmas[:-1], torch.tensor([LAST_SIGMA, 0.0], device=sigmas.device)])
        sizes = self.log_steps(sigmas)
        generators = [torch.Generator(device).manual_seed(seed) for seed in (NOISE_SEED, SUBSTEP_SEED)]
        for index in range(steps):
            x0 = evaluate(streams, Level(sigmas[index], index))
            step = self._step(sigmas[index], sigmas[index + 1], sizes[index])
            video = self.video.begin(streams.video, x0.video, step, generators[1])
            audio = self.audio.begin(streams.audio, x0.audio, step, generators[1])
            dtypes = streams.video.latent.dtype, streams.audio.latent.dtype
            between = Pair(
                moved(streams.video, video.noised.to(dtypes[0])), moved(streams.audio, audio.noised.to(dtypes[1]))
            )
            # A schedule of its own, of one level: a stream that skips steps does not skip this one.
            x0 = evaluate(between, Level(step.middle, 0))
            streams = Pair(
                self.video.end(streams.video, video, x0.video, step, generators[0]),
                self.audio.end(streams.audio, audio, x0.audio, step, generators[0]),
            )
        return self._cleaned(evaluate, streams, Level(sigmas[steps], steps)) if ends_clean else streams

    def _step(self, sigma: Tensor, following: Tensor, h: Tensor) -> Step:
        middle = self.middle(sigma.double(), following.double())
        return Step(sigma, following, middle, h.item(), Coefficients(*self.coefficients(h).tolist()))

    def _cleaned(self, evaluate: Evaluate, streams: Pair, level: Level) -> Pair:
        x0 = evaluate(streams, level)
        return Pair(
            moved(streams.video, self.blend_video(x0.video, streams.video.mask, streams.video.clean)),
            moved(streams.audio, self.blend_audio(x0.audio, streams.audio.mask, streams.audio.clean)),
        )
