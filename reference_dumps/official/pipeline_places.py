"""The places around what an official pipeline calls, where hooks can go on; alike for both releases."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from parity.ltx23.stages.denoise.passes import Scales
from parity.ltx23.stages.pipeline.passes import Generation
from parity.ltx23.terms import Load
from reference_dumps.official.filter_shapes import filters_laid_out_once

PIPELINES = {
    "two-stage": ("ti2vid_two_stages", "TI2VidTwoStagesPipeline"),
    "one-stage": ("ti2vid_one_stage", "TI2VidOneStagePipeline"),
    "distilled": ("distilled", "DistilledPipeline"),
    "hq": ("ti2vid_two_stages_hq", "TI2VidTwoStagesHQPipeline"),
}
# Source: the official high-quality command line.
HQ_STRENGTHS = {"distilled_lora_strength_stage_1": 0.25, "distilled_lora_strength_stage_2": 0.5}


class Place(nn.Module):
    """Gives what it takes."""

    def forward(self, value: Any) -> Any:
        """Give the value."""
        return value


class StagePlaces(nn.Module):
    """The places of one sampling stage."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmas = Place()
        self.video_start, self.audio_start = Place(), Place()
        self.asked, self.answered = Place(), Place()
        self.video_end, self.audio_end = Place(), Place()

    def ended(self, states: tuple[Any, Any]) -> tuple[Any, Any]:
        """Show the latents that a stage gives."""
        video, audio = states
        return (
            replace(video, latent=self.video_end(video.latent)),
            replace(audio, latent=self.audio_end(audio.latent)),
        )

    def asks(self, video: Any, audio: Any) -> tuple[Any, Any]:
        """Show the latents that the model is asked for."""
        latents = self.asked((video.latent, audio.latent))
        return replace(video, latent=latents[0]), replace(audio, latent=latents[1])


class OfficialPipeline(nn.Module):
    """One official pipeline; it loads its models when it runs, and drops them."""

    def __init__(self, request: Load):
        super().__init__()
        self.request, self.route = request, request.options["route"]
        self.prompt, self.negative = Place(), Place()
        self.picture, self.picture_latent = Place(), Place()
        self.stages = nn.ModuleList([StagePlaces(), StagePlaces()])
        self.upsampled, self.frames, self.sound = Place(), Place(), Place()
        self._stage = -1
        name, kind = PIPELINES[self.route]
        self._module: Any = import_module(f"ltx_pipelines.{name}")
        self._kind: Any = getattr(self._module, kind)

    def forward(self, given: Generation) -> None:
        """Run one generation to its last frame."""
        self._stage = -1
        with ExitStack() as stack:
            # They wait for a GPU that there may not be.
            if self.request.device.type == "cpu":
                for name in ("synchronize", "empty_cache"):
                    stack.enter_context(mock.patch.object(torch.cuda, name))
            stack.enter_context(filters_laid_out_once())
            self._watch(stack)
            frames, sound, *_ = self._generate(given)
            self.sound(sound)
            deque(frames, maxlen=0)

    def _watch(self, stack: ExitStack) -> None:
        raise AssertionError("each release has its own")

    def _generate(self, given: Generation) -> tuple[Any, ...]:
        raise AssertionError("each release has its own")

    def arguments(self) -> dict[str, Any]:
        """Give what the pipelines of both releases are built from, but for the checkpoint and Gemma."""
        loras, distilled = self._lora("lora"), self._lora("distilled_lora")
        # A tuple, as the high-quality command line gives it.
        found: dict[str, Any] = {"loras": tuple(loras), "device": self.request.device}
        if self.route != "one-stage":
            found["spatial_upsampler_path"] = str(self.request.files["upsampler"])
        if distilled:
            found["distilled_lora"] = distilled
        return found | (HQ_STRENGTHS if self.route == "hq" else {})

    def next_stage(self) -> StagePlaces:
        """Give the places of the sampling stage that begins."""
        self._stage += 1
        return self.stage

    @property
    def stage(self) -> StagePlaces:
        """The places of the sampling stage that runs."""
        places = self.stages[self._stage]
        assert isinstance(places, StagePlaces)
        return places

    def shown_prompts(self, contexts: list[Any]) -> list[Any]:
        """Show the contexts of the prompt and the negative prompt."""
        return [place(context) for place, context in zip((self.prompt, self.negative), contexts, strict=False)]

    def shown_frames(self, stretches: Iterator[Tensor]) -> Iterator[Tensor]:
        """Show each stretch of time as it is decoded."""
        return map(self.frames, stretches)

    def conditionings(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Give the function that turns pictures into conditionings, with an encoder whose latents are shown."""

        def watched(*arguments: Any, video_encoder: Any, **others: Any) -> Any:
            return plain(*arguments, video_encoder=lambda x: self.picture_latent(video_encoder(x)), **others)

        return watched

    def reading(self, plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Give the function that reads a picture, with its pixels shown."""
        return lambda *arguments, **named: self.picture(plain(*arguments, **named))

    def options(self, given: Generation) -> dict[str, Any]:
        """Give the arguments that the pipelines of both releases share."""
        guided: dict[str, Any] = {}
        if given.guided:
            guided = {
                "negative_prompt": given.negative,
                "num_inference_steps": given.steps,
                "video_guider_params": guider_params(given.scales[0]),
                "audio_guider_params": guider_params(given.scales[1]),
            }
        return guided | {
            "prompt": given.prompt,
            "seed": given.seed,
            "height": given.height,
            "width": given.width,
            "num_frames": given.frames,
            "frame_rate": given.fps,
            "images": [self._image(place) for place in given.pictures],
        }

    def _image(self, place: Any) -> Any:
        from ltx_pipelines.utils.args import ImageConditioningInput

        return ImageConditioningInput(str(self.request.files["picture"]), place.frame, place.strength, place.crf)

    def _lora(self, name: str) -> list[Any]:
        from ltx_core.loader import LTXV_LORA_COMFY_RENAMING_MAP, LoraPathStrengthAndSDOps

        strength = self.request.options[name]
        path = str(self.request.files[name])
        return [LoraPathStrengthAndSDOps(path, strength, LTXV_LORA_COMFY_RENAMING_MAP)] if strength else []


def guider_params(scales: Scales) -> Any:
    """Give the official record of one stream's guidance."""
    from ltx_core.components.guiders import MultiModalGuiderParams

    return MultiModalGuiderParams(
        cfg_scale=scales.cfg,
        stg_scale=scales.stg,
        rescale_scale=scales.rescale,
        modality_scale=scales.modality,
        skip_step=scales.skip_step,
        stg_blocks=list(scales.blocks),
    )


@contextmanager
def silent_progress() -> Iterator[None]:
    """Keep the official samplers from drawing a bar of their own."""
    from ltx_pipelines.utils import samplers

    with mock.patch.object(samplers, "tqdm", lambda steps: steps):
        yield
