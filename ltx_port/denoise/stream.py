"""One stream on its way from noise to its latent, and what the transformer is told of it at one noise level."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.release import Release
from ltx_port.transformer import ModalityInput


@dataclass(frozen=True)
class NoisyStream:
    """Latent tokens of one stream, and all that does not change from step to step.

    `mask` says how far a token is denoised: 1 wholly, 0 not at all, always float32; `clean` is what a token with a
    smaller mask is held to. A stream that is `held` is not denoised at all (its mask is zero everywhere): it
    conditions the other.
    """

    latent: Float[Tensor, "batch tokens channels"]
    clean: Float[Tensor, "batch tokens channels"]
    mask: Float[Tensor, "batch tokens 1"]
    positions: Float[Tensor, "batch axes tokens 2"]
    attention_mask: Float[Tensor, "batch tokens tokens"] | None = None
    held: bool = False

    def repeated(self, times: int) -> "NoisyStream":
        """Give the whole batch `times` over: sample 0, 1, ..., 0, 1, ..."""
        mask = self.attention_mask
        return NoisyStream(
            latent=self.latent.repeat(times, 1, 1),
            clean=self.clean.repeat(times, 1, 1),
            mask=self.mask.repeat(times, 1, 1),
            positions=self.positions.repeat(times, 1, 1, 1),
            attention_mask=None if mask is None else mask.repeat(times, 1, 1),
            held=self.held,
        )


class TokenTimesteps(nn.Module):
    """Gives each token its noise level: its mask times that of the sample."""

    def __init__(self, release: Release):
        super().__init__()
        self.release = release

    def forward(
        self, mask: Float[Tensor, "batch tokens 1"], sigma: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch tokens 1"]:
        """Give float32; where the release has a sigma for each sample, the wider dtype of the two."""
        if self.release.sigma_per_sample:
            return mask * sigma.view(-1, 1, 1)
        # A tensor without axes leaves the mask's dtype as it is: a float64 level is rounded to float32 here.
        return mask * sigma[0]


class AtNoiseLevel(nn.Module):
    """Lays out one stream as the transformer takes it."""

    def __init__(self, release: Release):
        super().__init__()
        self.release = release
        self.timesteps = TokenTimesteps(release)

    def forward(
        self,
        stream: NoisyStream,
        context: Float[Tensor, "batch text_tokens dim"],
        sigma: Float[Tensor, ""],
        enabled: bool,
    ) -> ModalityInput:
        """Give the modality at noise level `sigma`, one for all samples; its dtype is the level's own."""
        sigmas = sigma.expand(stream.latent.shape[0])
        if stream.held and self.release.held_stream_is_clean:
            sigmas = torch.zeros_like(sigmas)
        return ModalityInput(
            latent=stream.latent,
            sigma=sigmas,
            timesteps=self.timesteps(stream.mask, sigmas),
            positions=stream.positions,
            context=context,
            enabled=enabled,
            attention_mask=stream.attention_mask,
        )


class MaskBlend(nn.Module):
    """Holds tokens to their clean value as far as their mask says."""

    def forward(
        self,
        x: Float[Tensor, "batch tokens channels"],
        mask: Float[Tensor, "batch tokens 1"],
        clean: Float[Tensor, "batch tokens channels"],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give x * mask + clean * (1 - mask) in x's dtype; computed in float32, or float64 for a float64 x."""
        return (x * mask + clean.float() * (1 - mask)).to(x.dtype)
