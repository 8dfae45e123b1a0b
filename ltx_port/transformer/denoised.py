"""From velocities to the denoised prediction x0."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.transformer.inputs import ModalityInput
from ltx_port.transformer.model import Transformer
from ltx_port.transformer.perturbation import Perturbation


def denoised_from_velocity(
    latent: Float[Tensor, "batch tokens channels"],
    velocity: Float[Tensor, "batch tokens channels"],
    timesteps: Float[Tensor, "batch tokens 1"],
) -> Float[Tensor, "batch tokens channels"]:
    """Give x0 = latent - velocity * sigma of the token, computed in float32 and rounded to the latent's dtype."""
    # float32 even for a float64 model: the reference fixes the precision of this step.
    product = velocity.to(torch.float32) * timesteps.to(torch.float32)
    return (latent.to(torch.float32) - product).to(latent.dtype)


class Denoise(nn.Module):
    """`denoised_from_velocity` as a step that can be watched."""

    def forward(
        self,
        latent: Float[Tensor, "batch tokens channels"],
        velocity: Float[Tensor, "batch tokens channels"],
        timesteps: Float[Tensor, "batch tokens 1"],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give x0 in the latent's dtype."""
        return denoised_from_velocity(latent, velocity, timesteps)


class DenoisedPrediction(nn.Module):
    """The transformer as samplers use it: it predicts x0 of both streams."""

    def __init__(self, transformer: Transformer):
        super().__init__()
        self.transformer = transformer
        self.denoise_video = Denoise()
        self.denoise_audio = Denoise()

    def forward(
        self,
        video: ModalityInput | None,
        audio: ModalityInput | None,
        perturbations: Sequence[Perturbation] | None = None,
    ) -> tuple[
        Float[Tensor, "batch video_tokens channels"] | None,
        Float[Tensor, "batch audio_tokens audio_channels"] | None,
    ]:
        """Give x0 of (video, audio), None for a stream that was not given; see `Transformer.forward`."""
        velocities = self.transformer(video, audio, perturbations)
        return (
            _denoised(self.denoise_video, video, velocities[0]),
            _denoised(self.denoise_audio, audio, velocities[1]),
        )


def _denoised(
    step: Denoise, modality: ModalityInput | None, velocity: Float[Tensor, "batch tokens channels"] | None
) -> Float[Tensor, "batch tokens channels"] | None:
    if modality is None or velocity is None:
        return None
    return step(modality.latent, velocity, modality.timesteps)
