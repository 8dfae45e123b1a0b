"""The port's pipelines, as the harness runs them."""

from collections import deque
from contextlib import nullcontext
from pathlib import Path

from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.denoise import GuidanceScales
from ltx_port.latents import Clip
from ltx_port.lora.file import LoraFile
from ltx_port.lora.fusion import Lora
from ltx_port.picture import read_picture
from ltx_port.pipeline import (
    Components,
    GenerationRequest,
    ModelFiles,
    Numerics,
    Pipeline,
    PlacedPicture,
    check_files,
    route_named,
)
from ltx_port.release import Release, release_named
from ltx_port.transformer.attention import AttentionBackend
from ltx_port.upsampler.config import UpsamplerFile
from parity.ltx23.portable_noise import portable_noise
from parity.ltx23.refusals import refusals
from parity.ltx23.stages.denoise.passes import Scales
from parity.ltx23.stages.pipeline.passes import Generation
from parity.ltx23.terms import Load


class Generator(nn.Module):
    """A pipeline with the files that it reads."""

    def __init__(self, pipeline: Pipeline, components: Components, picture: Path):
        super().__init__()
        self.pipeline, self.components, self._picture = pipeline, components, picture

    def forward(self, given: Generation) -> None:
        """Generate a clip, to its last frame."""
        with refusals():
            found = self.pipeline(_request(given, self._picture, self.pipeline.release), self.components)
        deque(found.frames, maxlen=0)


def load(request: Load) -> Generator:
    """Give a route of the port with its files opened and checked; nothing is loaded before it runs."""
    route, release = route_named(request.options["route"]), release_named(request.release)
    numerics = Numerics(release, request.device, request.dtype, AttentionBackend(request.attention))
    with refusals():
        files = _files(request)
        check_files(route, files, release)
    return Generator(Pipeline(route, release), Components(route, files, numerics), request.files["picture"])


def _files(request: Load) -> ModelFiles:
    options = request.options
    extra = LoraFile.open(request.files["distilled_lora"]) if options["distilled_lora"] else None
    return ModelFiles(
        CheckpointFile.open(request.files["checkpoint"]),
        gemma=request.files["gemma"],
        upsampler=UpsamplerFile.open(request.files["upsampler"]) if options["route"] != "one-stage" else None,
        distilled_lora=None if extra is None else Lora(extra, options["distilled_lora"]),
        loras=(Lora(LoraFile.open(request.files["lora"]), options["lora"]),) if options["lora"] else (),
    )


def call(model: nn.Module, given: Generation) -> None:
    """Run one generation; what it computes is seen through hooks."""
    with portable_noise() if given.portable_noise else nullcontext():
        model(given)


def _request(given: Generation, picture: Path, release: Release) -> GenerationRequest:
    placed = [
        PlacedPicture(read_picture(picture, release), place.frame, place.strength, place.crf)
        for place in given.pictures
    ]
    return GenerationRequest(
        prompt=given.prompt,
        negative_prompt=given.negative,
        clip=Clip(given.frames, given.height, given.width, given.fps),
        seed=given.seed,
        steps=given.steps,
        video=_scales(given.scales[0]),
        audio=_scales(given.scales[1]),
        pictures=tuple(placed),
    )


def _scales(given: Scales) -> GuidanceScales:
    return GuidanceScales(given.cfg, given.stg, given.blocks, given.modality, given.rescale, given.skip_step)
