"""Noise: drawn in the shape of the tokens, and mixed in as far as the mask says."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.latents.state import LatentState
from ltx_port.release import Release


class DrawNoise(nn.Module):
    """Draws standard normal noise for the tokens of one stream."""

    def forward(
        self, latent: Float[Tensor, "batch tokens channels"], generator: torch.Generator
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give noise of the latent's shape and dtype, for appended tokens too: the generator moves on by that much.

        Drawn as tokens and in the working dtype: another layout is another sample, another dtype may be.
        """
        return torch.randn(latent.shape, dtype=latent.dtype, device=latent.device, generator=generator)


class AddNoise(nn.Module):
    """Mixes noise into a latent."""

    def __init__(self, release: Release):
        super().__init__()
        self.by_lerp = release.noise_by_lerp

    def forward(
        self, state: LatentState, noise: Float[Tensor, "batch tokens channels"], scale: float
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give the noisy latent in the latent's dtype; `scale` is the first noise level, 1 for noise alone.

        The mask is float32, and so is all arithmetic; the result is rounded once.
        """
        if self.by_lerp:
            noisy = torch.lerp(state.latent.float(), noise.float(), scale)
            return torch.lerp(state.clean.float(), noisy, state.mask).to(state.latent.dtype)
        weight = state.mask * scale
        return (noise * weight + state.latent * (1 - weight)).to(state.latent.dtype)
