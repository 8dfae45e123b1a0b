"""Guidance on x0: the conditioned prediction, pushed away from up to three worse ones."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.denoise.scales import GuidanceScales
from ltx_port.release import Release


class Predictions(NamedTuple):
    """x0 of one stream from each pass; None where the pass was not run."""

    conditioned: Tensor
    negative: Tensor | None
    perturbed: Tensor | None
    isolated: Tensor | None

    def to(self, dtype: torch.dtype) -> "Predictions":
        """Give the predictions in another dtype."""
        worse = (None if x is None else x.to(dtype) for x in self[1:])
        return Predictions(self.conditioned.to(dtype), *worse)


class Push(nn.Module):
    """The way from a worse prediction to the conditioned one, scaled."""

    def forward(
        self,
        conditioned: Float[Tensor, "batch tokens channels"],
        worse: Float[Tensor, "batch tokens channels"] | None,
        scale: float,
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give scale * (conditioned - worse), in the dtype of the two."""
        # Without its pass the scale is all but zero, and the reference takes 0 for the prediction.
        return scale * (conditioned - (0.0 if worse is None else worse))


class Combine(nn.Module):
    """Adds up the conditioned prediction and what pushes it."""

    def forward(
        self,
        conditioned: Float[Tensor, "batch tokens channels"],
        text: Float[Tensor, "batch tokens channels"],
        perturbed: Float[Tensor, "batch tokens channels"],
        isolated: Float[Tensor, "batch tokens channels"],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Add from left to right, rounding to the dtype after each."""
        return conditioned + text + perturbed + isolated


class Contrast(nn.Module):
    """The contrast of a prediction: one standard deviation over everything, batch included."""

    def forward(self, x: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, ""]:
        """Give the unbiased standard deviation (n - 1), in the dtype of x."""
        return x.std()


class ContrastFactor(nn.Module):
    """What brings a contrast back."""

    def forward(self, wanted: Float[Tensor, ""], found: Float[Tensor, ""], rescale: float) -> Float[Tensor, ""]:
        """Give wanted / found, and 1 as far as `rescale` leaves the contrast alone."""
        return rescale * (wanted / found) + (1 - rescale)


class ApplyFactor(nn.Module):
    """Multiplies by a factor."""

    def forward(
        self, x: Float[Tensor, "batch tokens channels"], factor: Float[Tensor, ""]
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give x * factor, in the dtype of x."""
        return x * factor


class Guide(nn.Module):
    """The guidance of one stream. Source: MultiModalGuider.calculate of ltx_core.components.guiders."""

    def __init__(self, release: Release):
        super().__init__()
        self.release = release
        self.push_text = Push()
        self.push_perturbed = Push()
        self.push_isolated = Push()
        self.combine = Combine()
        self.contrast_wanted = Contrast()
        self.contrast_found = Contrast()
        self.factor = ContrastFactor()
        self.rescale = ApplyFactor()

    def forward(self, predictions: Predictions, scales: GuidanceScales) -> Float[Tensor, "batch tokens channels"]:
        """Give the guided x0 in the dtype of the predictions, computed in float32 where the release does."""
        dtype = predictions.conditioned.dtype
        if self.release.guidance_float32:
            predictions = predictions.to(torch.float32)
        wanted = predictions.conditioned
        guided = self.combine(
            wanted,
            self.push_text(wanted, predictions.negative, scales.cfg - 1),
            self.push_perturbed(wanted, predictions.perturbed, scales.stg),
            self.push_isolated(wanted, predictions.isolated, scales.modality - 1),
        )
        if scales.rescale != 0:
            factor = self.factor(self.contrast_wanted(wanted), self.contrast_found(guided), scales.rescale)
            guided = self.rescale(guided, factor)
        return guided.to(dtype)
