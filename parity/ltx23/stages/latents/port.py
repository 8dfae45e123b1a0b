"""The port, as the harness runs it."""

import torch
from torch import nn

from ltx_port.latents import (
    AudioRequest,
    Clip,
    Condition,
    Keyframe,
    LatentPreparer,
    LatentRestorer,
    Replacement,
    VideoRequest,
    image_condition,
)
from ltx_port.release import Release, release_named
from parity.ltx23.refusals import refusals
from parity.ltx23.stage import Load
from parity.ltx23.stages.latents.passes import Image, LatentsPass, Placing


class Latents(nn.Module):
    """What comes before the denoising loop and what comes behind it, as one root."""

    def __init__(self, release: Release):
        super().__init__()
        self.prepare = LatentPreparer(release)
        self.restore = LatentRestorer()

    def forward(self, request: LatentsPass) -> None:
        """Prepare both streams and, as if nothing were denoised, restore them."""
        size = request.size
        clip = Clip(size.frames, size.height, size.width, size.fps, size.batch)
        if size.halved:
            clip = clip.halved()
        conditions = tuple(_condition(image) for image in request.images)
        generator = torch.Generator(device=request.device).manual_seed(request.seed)
        states = self.prepare(
            clip,
            VideoRequest(conditions, request.initial_video, request.noise_scale),
            AudioRequest(request.initial_audio, request.noise_scale),
            generator,
            request.dtype,
        )
        self.restore(clip, *states)


def load(request: Load) -> Latents:
    """Give the port; it has no weights, and so is the same on every device and in every precision."""
    with refusals():
        return Latents(release_named(request.release))


def call(model: nn.Module, request: LatentsPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(request)


def _condition(image: Image) -> Condition:
    if image.placing is Placing.BY_FRAME:
        return image_condition(image.latent, image.frame, image.strength)
    kind = Replacement if image.placing is Placing.REPLACING else Keyframe
    return kind(image.latent, image.frame, image.strength)
