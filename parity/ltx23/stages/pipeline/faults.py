"""Faults in and between the stages of a whole generation, which tests of single stages cannot see."""

from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ltx_port.latents import AudioRequest
from ltx_port.latents.noise import DrawNoise
from ltx_port.pipeline import Components, GenerationRequest
from ltx_port.pipeline.files import ModelFiles
from ltx_port.pipeline.route import Route
from ltx_port.pipeline.sampling import Start
from parity.ltx23.fault import Faults
from parity.ltx23.stages.pipeline.port import Generator
from parity.ltx23.stages.vocoder.faults import FAULTS as VOCODER_FAULTS

FAULTS = Faults("pipeline", case="pipeline-two-stage-small", forward="small")


def _plant_of(faults: Faults, identifier: str) -> Callable[[Any], None]:
    (found,) = [fault.plant for fault in faults if fault.id == identifier]
    return found


def _starting(module: nn.Module, changed: Callable[[Start], Start]) -> None:
    """Let a sampling stage start from something else."""

    def before(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (changed(given[0]), *given[1:])

    module.register_forward_pre_hook(before)


def _asked(model: Generator, changed: Callable[[GenerationRequest], GenerationRequest]) -> None:
    """Let the pipeline be asked for something else."""

    def before(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (changed(given[0]), *given[1:])

    model.pipeline.register_forward_pre_hook(before)


def _replaced(module: Any, forward: Callable[..., Tensor]) -> None:
    """Let this one module compute otherwise."""
    module.forward = MethodType(forward, module)


def components_replaced(model: Generator, **changed: Any) -> None:
    """Replace methods of the components, each called with the one that it replaces."""

    class Changed(Components):
        pass

    for name, method in changed.items():
        setattr(Changed, name, method)
    old = model.components
    model.components = Changed(old.route, old.files, old.numerics, old.prompt_tokens)


FAULTS.configured(
    "E-X1",
    "AV gate's timestep multiplier defaults to 1 in the loader, ignoring the checkpoint",
    first_tap="stage1.eval00.video.x0",
    config={"transformer.av_ca_timestep_scale_multiplier": 1.0},
)
FAULTS.configured(
    "E-L7",
    "Norm epsilon taken from a code default by the loader, not from the checkpoint",
    first_tap="stage1.eval00.video.x0",
    config={"transformer.norm_eps": 1e-06},
)


@FAULTS.planted("E-N4", first_tap="stage1.video.noisy")
def noise_in_the_grid(model: Generator) -> None:
    """Noise of the first stage drawn as channels, frames, rows, columns and then made tokens."""

    def forward(_: DrawNoise, latent: Tensor, generator: torch.Generator) -> Tensor:
        shape = latent.transpose(1, 2).shape
        return torch.randn(shape, dtype=latent.dtype, device=latent.device, generator=generator).transpose(1, 2)

    _replaced(model.pipeline.first.prepare.video.noise, forward)


@FAULTS.planted("E-W9", first_tap="sound.waveform")
def kaiser_resampler(model: Generator) -> None:
    """Skip of the bandwidth extension resampled through 18 Kaiser-windowed taps, not 43 Hann-windowed ones."""
    plant = _plant_of(VOCODER_FAULTS, "W9")

    def sound_decoder(self: Components) -> Any:
        decoder = Components.sound_decoder(self)
        plant(decoder)
        return decoder

    components_replaced(model, sound_decoder=sound_decoder)


@FAULTS.planted("E1", first_tap="stage2.video.noisy")
def generator_restarted(model: Generator) -> None:
    """Second stage draws its noise from a generator that starts again from the seed."""
    seeds: list[int] = []

    def noted(request: GenerationRequest) -> GenerationRequest:
        seeds.append(request.seed)
        return request

    def restarted(start: Start) -> Start:
        return start._replace(generator=torch.Generator(start.generator.device).manual_seed(seeds[-1]))

    _asked(model, noted)
    _starting(model.pipeline.second, restarted)


@FAULTS.planted("E2", first_tap="stage2.audio.noisy", hint="term: minus; 0.090625; stage1.eval01.audio.x0")
def second_stage_forgets_the_sound(model: Generator) -> None:
    """Audio of the second stage begins from nothing, not from the first stage's latent."""
    _starting(model.pipeline.second, lambda start: start._replace(audio=AudioRequest(None, start.audio.noise_scale)))


@FAULTS.planted("E3", first_tap="stage2.video.noisy")
def second_stage_from_pure_noise(model: Generator) -> None:
    """Video of the second stage is taken to noise level 1, not to the first of its schedule."""
    _starting(model.pipeline.second, lambda start: start._replace(video=replace(start.video, noise_scale=1.0)))


@FAULTS.planted("E4", first_tap="stage2.eval00.video.x0")
def distilled_lora_left_out(model: Generator) -> None:
    """Second stage runs without the distilled LoRA."""

    class Without(ModelFiles):
        def transformer(self, route: Route, stage: int) -> Any:
            return super().transformer(route, 1)

    old = model.components
    model.components = replace(old, files=Without(**vars(old.files)))


@FAULTS.planted("E5", first_tap="upsampled")
def upsampled_without_its_statistics(model: Generator) -> None:
    """Upsampler fed normalised latents, its result not normalised again."""

    def upsampler(self: Components) -> Any:
        return Components.upsampler(self).upsampler

    components_replaced(model, upsampler=upsampler)


@FAULTS.planted(
    "E6", first_tap="stage1.video.noisy", hint="tensor: stage1.picture00.latent | tensor: stage1.video.clean"
)
def strengths_ignored(model: Generator) -> None:
    """Pictures kept wholly, whatever strength was asked for."""
    _asked(model, lambda asked: replace(asked, pictures=tuple(replace(p, strength=1.0) for p in asked.pictures)))


@FAULTS.planted("E7", first_tap="prompt.video", hint="tensor: negative.video")
def prompts_swapped(model: Generator) -> None:
    """Prompt and negative prompt in each other's place."""
    _asked(model, lambda asked: replace(asked, prompt=asked.negative_prompt, negative_prompt=asked.prompt))


@FAULTS.planted("E8", first_tap="stage1.eval00.video.x0")
def scales_swapped(model: Generator) -> None:
    """Guidance scales of video and audio in each other's place."""
    _asked(model, lambda request: replace(request, video=request.audio, audio=request.video))


@FAULTS.planted("E9", first_tap="sound.waveform")
def sound_of_the_other_stage(model: Generator) -> None:
    """Sound decoded from the first stage's latent where the release decodes the second's."""
    model.pipeline.release = replace(model.pipeline.release, sound_of_first_stage=True)


@FAULTS.planted("E10", first_tap="stage2.picture00.pixels", hint="tensor: stage1.picture00.pixels")
def pictures_fitted_once(model: Generator) -> None:
    """Pictures of the second stage are the first stage's pixels, enlarged."""
    fitted: list[Tensor] = []

    def after(_: nn.Module, given: Any, found: Tensor) -> Tensor:
        fitted.append(found)
        if found.shape == fitted[0].shape:
            return found
        return nn.functional.interpolate(fitted[0][:, :, 0].float(), size=found.shape[-2:])[:, :, None].to(found)

    model.pipeline.picture.register_forward_hook(after)


@FAULTS.planted("E11", first_tap="stage1.sigmas", case="pipeline-hq-small")
def schedule_of_every_size(model: Generator) -> None:
    """First stage of high-quality generation on the schedule of 4096 tokens, not of its own size."""
    exact = type(model.pipeline.schedule).forward

    def forward(own: Any, steps: int, grid: Any = None) -> Tensor:
        return exact(own, steps)

    _replaced(model.pipeline.schedule, forward)
