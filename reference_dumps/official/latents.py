"""The official preparation of latents: its latent tools, conditioning items and noiser, called as its pipelines do.

The official things are plain functions and objects. Here each stands in a module of its own, so that what it calls can
be told apart; nothing in this file computes.
"""

from importlib import import_module
from typing import Any
from unittest import mock

import torch
from torch import nn

from parity.ltx23.stages.latents.passes import MOST_CONDITIONS, Image, LatentsPass, Placing
from parity.ltx23.terms import Load
from reference_dumps.official import openimageio_stand_in, torchaudio_without_extension

# Imported for what they do: without them the official pipelines cannot be imported everywhere.
_NEEDED = (openimageio_stand_in, torchaudio_without_extension)

helpers: Any = import_module("ltx_pipelines.utils.helpers")
pipeline_types: Any = import_module("ltx_pipelines.utils.types")
core_types: Any = import_module("ltx_core.types")
core_tools: Any = import_module("ltx_core.tools")
noisers: Any = import_module("ltx_core.components.noisers")

_ITEMS = {
    Placing.BY_FRAME: helpers.combined_image_conditionings,
    Placing.REPLACING: helpers.image_conditionings_by_replacing_latent,
    Placing.APPENDED: helpers.image_conditionings_by_adding_guiding_latent,
}


def load(request: Load) -> nn.Module:
    """Give the official steps of a release as modules; there are no weights to load."""
    return OfficialLatents(request.release)


def call(model: nn.Module, request: LatentsPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(request)


class ConditionSlot(nn.Module):
    """Holds one official conditioning item, and applies it when the official code asks it to."""

    def hold(self, item: Any) -> "ConditionSlot":
        """Take an item for the next pass."""
        self.item = item
        return self

    def apply_to(self, latent_state: Any, latent_tools: Any) -> Any:
        """What the official code calls."""
        return self(latent_state, latent_tools)

    def forward(self, latent_state: Any, latent_tools: Any) -> Any:
        """Apply the item."""
        return self.item.apply_to(latent_state=latent_state, latent_tools=latent_tools)


class StreamStart(nn.Module):
    """Begins one stream; gives (state, tools)."""

    def __init__(self, release: str, stream: str):
        super().__init__()
        self._release, self._stream = release, stream

    def forward(self, request: LatentsPass, items: list[Any], noiser: Any) -> tuple[Any, Any]:
        """Create, condition and noise the stream's state."""
        initial = request.initial_video if self._stream == "video" else request.initial_audio
        if self._release == "1.0.0":
            begin = helpers.noise_video_state if self._stream == "video" else helpers.noise_audio_state
            return begin(
                output_shape=pixel_shape(request),
                noiser=noiser,
                conditionings=items,
                components=pipeline_types.PipelineComponents(request.dtype, request.device),
                dtype=request.dtype,
                device=request.device,
                # As the pipelines have it: a number for the first stage, an element of the sigmas for the second.
                noise_scale=1.0 if initial is None else torch.tensor([request.noise_scale], device=request.device)[0],
                initial_latent=initial,
            )
        scale = torch.tensor(request.noise_scale).item()
        blocks: Any = import_module("ltx_pipelines.utils.blocks")
        spec = pipeline_types.ModalitySpec(conditionings=items, noise_scale=scale, initial_latent=initial)
        tools = self._tools(request)
        return blocks._build_state(spec, tools, noiser, request.dtype, request.device), tools

    def _tools(self, request: LatentsPass) -> Any:
        """Make the latent tools as 1.2.0's DiffusionStage does, which does not hand them out."""
        parts = pipeline_types.PipelineComponents(request.dtype, request.device)
        pixels = pixel_shape(request)
        if self._stream == "audio":
            grid = core_types.AudioLatentShape.from_video_pixel_shape(pixels)
            return core_tools.AudioLatentTools(parts.audio_patchifier, grid)
        grid = core_types.VideoLatentShape.from_pixel_shape(pixels)
        return core_tools.VideoLatentTools(parts.video_patchifier, grid, pixels.fps)


class StreamEnd(nn.Module):
    """Ends one stream."""

    def forward(self, state: Any, tools: Any) -> Any:
        """Drop the conditioning and lay the tokens out."""
        return tools.unpatchify(tools.clear_conditioning(state))


class OfficialLatents(nn.Module):
    """Both streams, begun and ended."""

    def __init__(self, release: str):
        super().__init__()
        self.video, self.audio = StreamStart(release, "video"), StreamStart(release, "audio")
        self.conditions = nn.ModuleList(ConditionSlot() for _ in range(MOST_CONDITIONS))
        self.video_end, self.audio_end = StreamEnd(), StreamEnd()

    def forward(self, request: LatentsPass) -> None:
        """Run one pass."""
        noiser = noisers.GaussianNoiser(torch.Generator(device=request.device).manual_seed(request.seed))
        slots = [self.conditions[index] for index in range(len(request.images))]
        items = [slot.hold(_item(image, request)) for slot, image in zip(slots, request.images, strict=True)]  # type: ignore[operator]
        video = self.video(request, items, noiser)
        audio = self.audio(request, [], noiser)
        self.video_end(*video)
        self.audio_end(*audio)


def pixel_shape(request: LatentsPass) -> Any:
    """Give the official record of the clip's size."""
    height, width = request.size.pixels
    helpers.assert_resolution(request.size.height, request.size.width, is_two_stage=request.size.halved)
    return core_types.VideoPixelShape(
        batch=request.size.batch, frames=request.size.frames, height=height, width=width, fps=request.size.fps
    )


def _item(image: Image, request: LatentsPass) -> Any:
    """Let the official rule choose the item; the image is encoded already, so only reading it is left out."""
    reader = "load_image_conditioning" if hasattr(helpers, "load_image_conditioning") else "load_image_and_preprocess"
    named = helpers.ImageConditioningInput(path="", frame_idx=image.frame, strength=image.strength)
    height, width = request.size.pixels
    with mock.patch.object(helpers, reader, return_value=None):
        (item,) = _ITEMS[image.placing](
            images=[named],
            height=height,
            width=width,
            video_encoder=lambda _: image.latent,
            dtype=request.dtype,
            device=request.device,
        )
    return item
