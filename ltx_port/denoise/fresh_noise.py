"""Fresh noise within a step, so that sampling follows a stochastic equation of the same marginals."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from ltx_port.denoise.stream import MaskBlend, NoisyStream

# How much of the next noise level is fresh: the reference's own default.
_FRESH = 0.5


class FreshNoise(nn.Module):
    """Draws noise of mean 0 and deviation 1: exactly so over everything, then over each sample."""

    def forward(
        self, like: Float[Tensor, "batch tokens channels"], generator: torch.Generator
    ) -> Float64[Tensor, "batch tokens channels"]:
        """Draw in float64, in the shape of `like`, on the generator's device."""
        noise = torch.randn(like.shape, generator=generator, dtype=torch.float64, device=generator.device)
        noise = (noise - noise.mean()) / noise.std()
        centred = noise - noise.mean(dim=(-2, -1), keepdim=True)
        return centred / centred.std(dim=(-2, -1), keepdim=True)


class FreshShare(nn.Module):
    """How a step to a noise level is shared between the sample's own noise and fresh noise."""

    def forward(self, following: Float[Tensor, ""]) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
        """Give (factor of the sample, level that its own noise is brought to, factor of fresh noise).

        In the dtype of the level. Signal and noise keep the share that a sample at that level has.
        """
        fresh = following * _FRESH
        own = (following**2 - fresh**2).clamp(min=0) ** 0.5
        factor = torch.ones_like(following) - following + own
        return factor, own / factor, fresh


class Mix(nn.Module):
    """Goes from a sample to a lower noise level, partly by fresh noise."""

    def forward(
        self,
        sample: Float64[Tensor, "batch tokens channels"],
        target: Float64[Tensor, "batch tokens channels"],
        levels: tuple[Float[Tensor, ""], Float[Tensor, ""]],
        noise: Float64[Tensor, "batch tokens channels"],
        share: tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]],
    ) -> Float64[Tensor, "batch tokens channels"]:
        """Give the noised sample at the second of `levels`, where `target` is the noiseless step's."""
        sigma, following = levels
        factor, own, fresh = share
        direction = (sample - target) / (sigma - following)
        x0 = sample - sigma * direction
        return factor * (x0 + own * direction) + fresh * noise


class NoiseInjection(nn.Module):
    """Replaces part of the noise of a step. Source: Res2sDiffusionStep of ltx_core.components.diffusion_steps."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = FreshNoise()
        self.share = FreshShare()
        self.mix = Mix()
        self.blend = MaskBlend()

    def forward(
        self,
        sample: Float64[Tensor, "batch tokens channels"],
        target: Float64[Tensor, "batch tokens channels"],
        stream: NoisyStream,
        levels: tuple[Float[Tensor, ""], Float[Tensor, ""]],
        generator: torch.Generator,
    ) -> Float64[Tensor, "batch tokens channels"]:
        """Give the sample at the second of `levels`, its clean tokens clean again."""
        noise = self.draw(stream.latent, generator)
        mixed = self.mix(sample, target, levels, noise, self.share(levels[1]))
        return self.blend(mixed, stream.mask, stream.clean)
