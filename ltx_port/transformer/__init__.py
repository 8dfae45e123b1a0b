"""The LTX-2.3 audio-video transformer: from latent tokens of two streams to their velocities and x0."""

from ltx_port.transformer.denoised import DenoisedPrediction, denoised_from_velocity
from ltx_port.transformer.inputs import ModalityInput
from ltx_port.transformer.model import Transformer
from ltx_port.transformer.perturbation import NO_PERTURBATION, Perturbation, Skip

__all__ = [
    "NO_PERTURBATION",
    "DenoisedPrediction",
    "ModalityInput",
    "Perturbation",
    "Skip",
    "Transformer",
    "denoised_from_velocity",
]
