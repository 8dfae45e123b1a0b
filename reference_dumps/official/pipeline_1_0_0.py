"""The official pipelines of release 1.0.0."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest import mock

from torch import Tensor, nn

from parity.ltx23.stages.pipeline.passes import Generation
from reference_dumps.official import text
from reference_dumps.official.pipeline_places import OfficialPipeline, silent_progress

# What the pipelines make their evaluations of.
_EVALUATIONS = (
    "simple_denoising_func",
    "multi_modal_guider_denoising_func",
    "multi_modal_guider_factory_denoising_func",
)


class FirstPipeline(OfficialPipeline):
    """A pipeline whose module's functions are wrapped."""

    def _generate(self, given: Generation) -> tuple[Any, ...]:
        options = self.options(given)
        if given.two_stages:
            from ltx_core.model.video_vae import TilingConfig

            # As the command line does; one stage has no such option.
            options["tiling_config"] = TilingConfig.default()
        return self._built()(**options)

    def _built(self) -> Any:
        files = self.request.files
        checkpoint = "distilled_checkpoint_path" if self.route == "distilled" else "checkpoint_path"
        paths = {checkpoint: str(files["checkpoint"]), "gemma_root": str(files["gemma"])}
        return self._kind(**paths, **self.arguments())

    def _watch(self, stack: ExitStack) -> None:
        from ltx_pipelines.utils import helpers
        from ltx_pipelines.utils.model_ledger import ModelLedger

        enter, module = stack.enter_context, self._module
        enter(text._gemma_of(self.request))
        enter(text._silent_builder())
        enter(silent_progress())
        enter(mock.patch.object(ModelLedger, "text_encoder", self._text_encoder))
        enter(mock.patch.object(helpers, "load_image_conditioning", self.reading(helpers.load_image_conditioning)))
        for name, show in (("noise_video_state", "video_start"), ("noise_audio_state", "audio_start")):
            enter(mock.patch.object(helpers, name, self._noising(getattr(helpers, name), show)))
        around: dict[str, Callable[[Any], Any]] = {
            "encode_prompts": self._encoding,
            "combined_image_conditionings": self.conditionings,
            "denoise_audio_video": self._sampling,
            "upsample_video": lambda plain: lambda **named: self.upsampled(plain(**named)),
            "vae_decode_video": self._decoding,
            **dict.fromkeys(_EVALUATIONS, self._evaluating),
        }
        for name, wrap in around.items():
            if hasattr(module, name):
                enter(mock.patch.object(module, name, wrap(getattr(module, name))))

    def _text_encoder(self) -> nn.Module:
        return text._encoder(replace(self.request, options={**self.request.options, "length": 1024}))

    def _encoding(self, plain: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        return lambda *arguments, **named: self.shown_prompts(plain(*arguments, **named))

    def _noising(self, plain: Callable[..., Any], place: str) -> Callable[..., Any]:
        def watched(**named: Any) -> Any:
            state, tools = plain(**named)
            shown: nn.Module = self.stage.get_submodule(place)
            return shown(state), tools

        return watched

    def _sampling(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*, sigmas: Tensor, **named: Any) -> Any:
            places = self.next_stage()
            return places.ended(plain(sigmas=places.sigmas(sigmas), **named))

        return watched

    def _evaluating(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any, **named: Any) -> Any:
            evaluate = plain(*arguments, **named)

            # Some loops call it by these names.
            def watched(video_state: Any, audio_state: Any, *others: Any, **more: Any) -> Any:
                return self.stage.answered(evaluate(*self.stage.asks(video_state, audio_state), *others, **more))

            return watched

        return made

    def _decoding(self, plain: Callable[..., Iterator[Tensor]]) -> Callable[..., Iterator[Tensor]]:
        return lambda *arguments, **named: self.shown_frames(plain(*arguments, **named))
