"""The route from a prompt to frames and sound."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ltx_port.denoise import (
    DISTILLED_SIGMAS,
    STAGE_2_SIGMAS,
    GuidedDenoiser,
    GuidedRun,
    ShiftedSchedule,
    SimpleDenoiser,
    SimpleRun,
    Text,
)
from ltx_port.denoise.denoiser import Denoised, Guidance, Level, Pair
from ltx_port.latents import AudioRequest, Clip, Condition, VideoRequest, image_condition
from ltx_port.picture import PictureConditioning
from ltx_port.pipeline.components import Components
from ltx_port.pipeline.request import GenerationRequest, PlacedPicture, check_request
from ltx_port.pipeline.route import Route, Schedule
from ltx_port.pipeline.sampling import Evaluate, HandOver, Latents, SamplingStage, Start
from ltx_port.pipeline.watch import Phase, Unwatched, Watch
from ltx_port.release import Release
from ltx_port.text import PromptStates, TextContext
from ltx_port.video_vae import Tiling
from ltx_port.vocoder.sound import Sound

Frames = Iterator[Shaped[Tensor, "frames height width colours"]]


@dataclass(frozen=True)
class Generated:
    """A clip: its frames are decoded as they are asked for, a stretch of time at a time."""

    frames: Frames
    sound: Sound
    latents: Latents


class Pipeline(nn.Module):
    """One route. It holds no weights: models are loaded for their phase, and dropped after it.

    Source: the pipelines of ltx_pipelines that `Route` names.
    """

    def __init__(self, route: Route, release: Release):
        super().__init__()
        self.route, self.release = route, release
        self.states = HandOver()
        self.prompt, self.negative = HandOver(), HandOver()
        self.schedule = ShiftedSchedule()
        self.picture, self.picture_latent = PictureConditioning(), HandOver()
        self.first = SamplingStage(release, route.second_order)
        self.upsampled = HandOver()
        self.second = SamplingStage(release, route.second_order)
        self.frames, self.sound = HandOver(), HandOver()

    def forward(self, request: GenerationRequest, components: Components, watch: Watch | None = None) -> Generated:
        """Generate a clip; everything but the frames is computed when this returns.

        InputError for a request that the route cannot generate, or files that cannot be used.
        """
        check_request(self.route, request)
        run = _Run(self, request, components, watch or Unwatched())
        texts = run.contexts()
        generator = torch.Generator(components.numerics.device).manual_seed(request.seed)
        clip = request.clip.halved() if self.route.two_stages else request.clip
        conditions = run.conditions(clip, "pictures")
        start = Start(clip, VideoRequest(conditions), AudioRequest(), generator)
        latents = first = run.sample(self.first, 1, start, texts)
        if self.route.two_stages:
            latents = run.second(first, texts, generator)
        heard = first if self.route.guided and self.release.sound_of_first_stage else latents
        sound = run.sound(heard.audio)
        return Generated(run.frames(latents.video), sound, Latents(latents.video, heard.audio))


@dataclass(frozen=True)
class _Run:
    """The phases of one call; each loads what it needs, and has dropped it when it ends."""

    pipeline: Pipeline
    request: GenerationRequest
    components: Components
    watch: Watch

    def contexts(self) -> list[TextContext]:
        """Give the context of the prompt, and of the negative prompt for a route with guidance."""
        prompts = [self.request.prompt, self.request.negative_prompt][: 2 if self.pipeline.route.guided else 1]
        with self._phase("text") as phase:
            read = self.pipeline.states(self._read(prompts, phase))
        with self._phase("connectors") as phase:
            found = self._connected(read, phase)
        places = (self.pipeline.prompt, self.pipeline.negative)
        return [place(context) for place, context in zip(places, found, strict=False)]

    def _read(self, prompts: Sequence[str], phase: Phase) -> list[PromptStates]:
        with phase.loading():
            given = self.components.given_states(len(prompts))
            if given is not None:
                return given
            reader = self.components.prompt_reader()
        with phase.executing():
            return reader(prompts)

    def _connected(self, prompts: Sequence[PromptStates], phase: Phase) -> list[TextContext]:
        with phase.loading():
            embeddings = self.components.text_embeddings()
        with phase.executing():
            return [embeddings(*prompt) for prompt in prompts]

    def conditions(self, clip: Clip, phase_name: str) -> tuple[Condition, ...]:
        """Give the conditions that the request's pictures make at a size."""
        if not self.request.pictures:
            return ()
        with self._phase(phase_name) as phase:
            return self._encoded(clip, phase)

    def _encoded(self, clip: Clip, phase: Phase) -> tuple[Condition, ...]:
        numerics = self.components.numerics
        with phase.loading():
            encoder = self.components.video_encoder()

        def encoded(picture: PlacedPicture) -> Condition:
            pixels = self.pipeline.picture(
                picture.pixels, (clip.height, clip.width), picture.crf, numerics.dtype, numerics.device
            )
            latent = self.pipeline.picture_latent(encoder(pixels))
            return image_condition(latent, picture.frame, picture.strength)

        with phase.executing():
            return tuple(encoded(picture) for picture in self.request.pictures)

    def second(self, first: Latents, texts: Sequence[TextContext], generator: torch.Generator) -> Latents:
        """Upsample the video of the first stage, and denoise both streams again from a lower noise level."""
        with self._phase("upsampler") as phase:
            upsampled = self._upsampled(first.video, phase)
        clip, noise = self.request.clip, float(_sigmas(STAGE_2_SIGMAS)[0])
        conditions = self.conditions(clip, "pictures, second stage")
        video = VideoRequest(conditions, self.pipeline.upsampled(upsampled), noise)
        start = Start(clip, video, AudioRequest(first.audio, noise), generator)
        return self.sample(self.pipeline.second, 2, start, texts[:1])

    def _upsampled(self, latent: Tensor, phase: Phase) -> Tensor:
        with phase.loading():
            upsampler = self.components.upsampler()
        with phase.executing():
            return upsampler(latent)

    def sample(self, stage: SamplingStage, number: int, start: Start, texts: Sequence[TextContext]) -> Latents:
        """Run a sampling stage, 1 or 2; it is guided where it is given the negative prompt too."""
        numerics = self.components.numerics
        with self._phase(f"stage {number}") as phase:
            with phase.loading():
                model = self.components.transformer(number)
            with phase.executing():
                sigmas = self._levels(number, start.clip).to(numerics.device)
                evaluate = _counted(self._evaluation(model, texts), phase, stage.evaluations(len(sigmas)))
                # The model lives in what evaluates: both go with this frame, before the phase frees memory.
                del model
                latents: Latents = stage(start, evaluate, sigmas, numerics.dtype)
                del evaluate
        return latents

    def _levels(self, number: int, clip: Clip) -> Float[Tensor, " levels"]:
        route = self.pipeline.route
        if number == 2:
            return _sigmas(STAGE_2_SIGMAS)
        if route.schedule is Schedule.DISTILLED:
            return _sigmas(DISTILLED_SIGMAS)
        grid = clip.video
        size = (grid.frames, grid.rows, grid.columns) if route.schedule is Schedule.SHIFTED_BY_SIZE else None
        return self.pipeline.schedule(self.request.steps, size)

    def _evaluation(self, model: nn.Module, texts: Sequence[TextContext]) -> Evaluate:
        prompt, *negative = [Text(context.video, context.audio) for context in texts]
        if not negative:
            return SimpleRun(SimpleDenoiser(model, self.pipeline.release), prompt)
        guidance = Guidance(self.request.video, self.request.audio, negative[0])
        return GuidedRun(GuidedDenoiser(model, self.pipeline.release), prompt, guidance)

    def sound(self, latent: Tensor) -> Sound:
        """Decode the sound."""
        with self._phase("audio decode") as phase:
            mel = self._mel(latent, phase)
        with self._phase("vocoder") as phase:
            return self.pipeline.sound(self._heard(mel, phase))

    def _mel(self, latent: Tensor, phase: Phase) -> Tensor:
        with phase.loading():
            decoder = self.components.audio_decoder()
        with phase.executing():
            return decoder(latent)

    def _heard(self, mel: Tensor, phase: Phase) -> Sound:
        with phase.loading():
            decoder = self.components.sound_decoder()
        with phase.executing():
            return decoder(mel)

    def frames(self, latent: Tensor) -> Frames:
        """Decode the video, a stretch of time whenever one is asked for."""
        name, clip = "video decode", self.request.clip
        tiled = self.pipeline.route.two_stages or self.pipeline.release.one_stage_tiled
        tiling = Tiling.default(self.pipeline.release, clip.height, clip.width) if tiled else None
        with self.watch.phase(name) as phase, phase.loading():
            stretches = self.components.video_decoder()(latent, tiling)
        done = 0
        while True:
            with self.watch.phase(name) as phase, phase.executing():
                stretch = next(stretches, None)
                if stretch is None:
                    break
                done += len(stretch)
                phase.advance(done, clip.frames)
            yield self.pipeline.frames(stretch)
        del stretches
        self.components.free()

    def _phase(self, name: str) -> "_Freeing":
        return _Freeing(self.watch, name, self.components)


class _Freeing:
    """A phase after which memory is freed: what it loaded must have gone out of scope by then."""

    def __init__(self, watch: Watch, name: str, components: Components):
        self._phase, self._components = watch.phase(name), components

    def __enter__(self) -> Phase:
        return self._phase.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._phase.__exit__(*error)
        self._components.free()


def _sigmas(levels: Sequence[float]) -> Float[Tensor, " levels"]:
    return torch.tensor(levels, dtype=torch.float32)


def _counted(evaluate: Evaluate, phase: Phase, total: int) -> Evaluate:
    done = 0

    def counted(streams: Pair, level: Level) -> Denoised:
        nonlocal done
        found = evaluate(streams, level)
        done += 1
        phase.advance(done, total)
        return found

    return counted
