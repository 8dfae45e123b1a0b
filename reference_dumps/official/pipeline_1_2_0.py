"""The official pipelines of release 1.2.0."""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest import mock

from parity.ltx23.stages.pipeline.passes import Generation
from reference_dumps.official.pipeline_places import OfficialPipeline, silent_progress


class NewestPipeline(OfficialPipeline):
    """A pipeline whose blocks are wrapped: they are attributes of it, and are called."""

    def _generate(self, given: Generation) -> tuple[Any, ...]:
        pipeline = self._built()
        self._wrap(pipeline)
        # What stands between frames and sound, and behind them, are the size and the tiles of the clip.
        return pipeline(**self.options(given))[:2]

    def _built(self) -> Any:
        from ltx_pipelines.utils.model_paths import ModelPaths

        files = self.request.files
        paths = ModelPaths.from_monolith(str(files["checkpoint"]), str(files["gemma"]))
        return self._kind(model_paths=paths, **self.arguments())

    def _wrap(self, pipeline: Any) -> None:
        around: dict[str, Callable[[Any], Callable[..., Any]]] = {
            **dict.fromkeys(("stage", "stage_1", "stage_2"), self._sampling),
            "prompt_encoder": lambda plain: lambda *given, **named: self.shown_prompts(plain(*given, **named)),
            "upsampler": lambda plain: lambda latent: self.upsampled(plain(latent)),
            "video_decoder": lambda plain: lambda *given, **named: self.shown_frames(plain(*given, **named)),
        }
        for name, wrap in around.items():
            if hasattr(pipeline, name):
                plain = getattr(pipeline, name)
                setattr(pipeline, name, _Block(plain, wrap(plain)))

    def _watch(self, stack: ExitStack) -> None:
        from ltx_pipelines.utils import blocks, helpers

        module, enter = self._module, stack.enter_context
        enter(silent_progress())
        if self.request.device.type == "cpu":
            enter(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "In CPU autocast, but the target dtype is not supported", UserWarning)
            enter(mock.patch.object(blocks, "vae_decode_audio", _widened(blocks.vae_decode_audio)))
        enter(mock.patch.object(blocks, "get_gemma_ops", _without_processor(blocks.get_gemma_ops)))
        enter(mock.patch.object(helpers, "load_image_and_preprocess", self.reading(helpers.load_image_and_preprocess)))
        conditionings = self.conditionings(module.combined_image_conditionings)
        enter(mock.patch.object(module, "combined_image_conditionings", conditionings))
        enter(mock.patch.object(blocks, "_build_state", self._noising(blocks._build_state)))

    def _noising(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(spec: Any, tools: Any, *others: Any) -> Any:
            state = plain(spec, tools, *others)
            places = self.stage
            # Audio has one axis of positions.
            return (places.audio_start if state.positions.shape[1] == 1 else places.video_start)(state)

        return watched

    def _sampling(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*, denoiser: Any, sigmas: Any, **named: Any) -> Any:
            places = self.next_stage()
            return places.ended(plain(denoiser=self._evaluating(denoiser), sigmas=places.sigmas(sigmas), **named))

        return watched

    def _evaluating(self, denoiser: Callable[..., Any]) -> Callable[..., Any]:
        def watched(transformer: Any, video_state: Any, audio_state: Any, *others: Any, **more: Any) -> Any:
            asked = self.stage.asks(video_state, audio_state)
            found = denoiser(transformer, *asked, *others, **more)
            shown = self.stage.answered(tuple(stream.denoised for stream in found))
            return tuple(replace(stream, denoised=x0) for stream, x0 in zip(found, shown, strict=True))

        return watched


def _without_processor(plain: Callable[[str], Any]) -> Callable[[str], Any]:
    """Leave out the processor of images, which wants more of a tokenizer than text does: no image goes through."""

    def ops(root: str) -> Any:
        keys, modules = plain(root)
        return keys, tuple(op for op in modules if op.name != "ProcessorLoad")

    return ops


def _widened(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Widen the vocoder's loaded weights, as autocast does where it can: the CPU's does not offer float32."""
    return lambda latent, decoder, vocoder: plain(latent, decoder, vocoder.float())


class _Block:
    """An official block, called through a function; the pipelines read more of it than its call."""

    def __init__(self, plain: Any, called: Callable[..., Any]):
        self._plain, self._called = plain, called

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._called(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)
