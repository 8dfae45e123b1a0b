"""The official text encoder and embeddings processor, built by the official loaders and called as its pipelines do."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Before any official module that imports torchaudio, and before transformers, which does where it is installed.
import reference_dumps.official.torchaudio_without_extension  # noqa: F401  isort: skip

from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.text_encoders.gemma import embeddings_processor as processing
from ltx_core.text_encoders.gemma.encoders.encoder_configurator import (
    EMBEDDINGS_PROCESSOR_KEY_OPS,
    EmbeddingsProcessorConfigurator,
)

from parity.ltx23.stages.text.passes import Part, TextPass
from parity.ltx23.terms import Load
from reference_dumps.official.whole import whole

_FIRST = "1.0.0"
_PARTS = {
    Part.FEATURES: ("video_connector", "audio_connector"),
    Part.VIDEO: ("feature_extractor", "audio_connector"),
    Part.AUDIO: ("feature_extractor", "video_connector"),
}


class OfficialText(nn.Module):
    """Encoder and processor, called one after the other as the pipelines call them."""

    encoder: Any
    processor: Any

    def __init__(self, encoder: nn.Module | None, processor: nn.Module, release: str):
        super().__init__()
        self.encoder, self.processor, self.release = encoder, processor, release

    def forward(self, given: TextPass) -> Any:
        """Give what the pass asks for: contexts, features, or what one connector gives."""
        if given.part is Part.ENCODER:
            return [self.processor.process_hidden_states(*encoded) for encoded in self._encoded(given.prompts)]
        states, mask = given.given()
        if given.part is Part.EMBEDDINGS:
            return [self.processor.process_hidden_states(states.unbind(0), mask)]
        if given.part is Part.FEATURES:
            return self.processor.feature_extractor(states.unbind(0), mask)
        return self._connected(given.part.value, states, mask)

    def _encoded(self, prompts: tuple[str, ...]) -> list[Any]:
        assert self.encoder is not None, "a case of prompts loads the encoder"
        if self.release == _FIRST:
            return [self.encoder.encode(prompt) for prompt in prompts]
        return self.encoder.encode(list(prompts))

    def _connected(self, stream: str, features: Tensor, mask: Tensor) -> Any:
        """Run one connector as the processor's `create_embeddings` does, which wants the other one too."""
        additive = processing.convert_to_additive_mask(mask, features.dtype)
        if self.release != _FIRST:
            order, additive = processing._compute_right_pad_order(additive)
            features = processing._apply_right_pad_order(features, order)
        return self.processor.get_submodule(f"{stream}_connector")(features, additive)


def load(request: Load) -> nn.Module:
    """Give the live encoder and processor, or the part of it that the case asks for."""
    part = request.options["part"]
    with _silent_builder():
        processor = _processor(request)
    for name in _PARTS.get(part, ()):
        # The checkpoint of such a case does not have its weights.
        setattr(processor, name, None)
    encoder = _encoder(request) if part is Part.ENCODER else None
    return whole(OfficialText(encoder, processor.to(request.device), request.release), request.files["checkpoint"])


def call(model: nn.Module, given: TextPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(given)


def _processor(request: Load) -> nn.Module:
    if request.release == _FIRST:
        with _gemma_of(request):
            return _built(EmbeddingsProcessorConfigurator, request)
    return _built(EmbeddingsProcessorConfigurator.with_gemma_model_path(str(request.files["gemma"])), request)


def _built(configurator: Any, request: Load) -> nn.Module:
    builder = SingleGPUModelBuilder(
        model_class_configurator=configurator,
        model_path=str(request.files["checkpoint"]),
        model_sd_ops=EMBEDDINGS_PROCESSOR_KEY_OPS,
    )
    return builder.build(device=request.device, dtype=request.dtype)


@contextmanager
def _silent_builder() -> Iterator[None]:
    """Keep the official builder from listing what a part lacks: `whole` checks what is left, and does not pass it."""
    logger = logging.getLogger(SingleGPUModelBuilder.__module__)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _gemma_of(request: Load) -> Iterator[None]:
    """Let release 1.0.0 take the widths of this Gemma, which it has as constants of the real one."""
    from ltx_core.text_encoders.gemma.config import GEMMA3_CONFIG_FOR_LTX
    from transformers import Gemma3Config

    constants, real = GEMMA3_CONFIG_FOR_LTX.text_config, dict(vars(GEMMA3_CONFIG_FOR_LTX.text_config))
    config: Any = Gemma3Config.from_pretrained(str(request.files["gemma"]), local_files_only=True).text_config
    constants.hidden_size, constants.num_hidden_layers = config.hidden_size, config.num_hidden_layers
    try:
        yield
    finally:
        vars(constants).update(real)


def _encoder(request: Load) -> nn.Module:
    encoder: Any = _first_encoder(request) if request.release == _FIRST else _newest_encoder(request)
    # The tokenizers cut at 1024; the harness has shorter prompts.
    encoder.tokenizer.max_length = request.options["length"]
    return encoder.eval()


def _first_encoder(request: Load) -> nn.Module:
    # The loader of 1.0.0 fails with this transformers; its encoder takes any Gemma 3 and its own tokenizer.
    from ltx_core.text_encoders.gemma.encoders.base_encoder import GemmaTextEncoder
    from ltx_core.text_encoders.gemma.tokenizer import LTXVGemmaTokenizer
    from transformers import Gemma3ForConditionalGeneration
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    root = str(request.files["gemma"])
    model: Any = Gemma3ForConditionalGeneration.from_pretrained(root, dtype=request.dtype, local_files_only=True)
    return GemmaTextEncoder(model=model.to(request.device), tokenizer=LTXVGemmaTokenizer(root, 1024))


def _newest_encoder(request: Load) -> nn.Module:
    from ltx_core.text_encoders.gemma.encoders.encoder_configurator import GemmaTextEncoderConfigurator, get_gemma_ops
    from ltx_core.text_encoders.gemma.gemma_assets import resolve_gemma_weight_paths

    root = str(request.files["gemma"])
    keys, modules = get_gemma_ops(root)
    builder = SingleGPUModelBuilder(
        model_class_configurator=GemmaTextEncoderConfigurator.with_gemma_model_path(root),
        model_path=resolve_gemma_weight_paths(root),
        model_sd_ops=keys,
        # No image goes through a prompt.
        module_ops=tuple(op for op in modules if op.name != "ProcessorLoad"),
    )
    with torch.no_grad():
        return builder.build(device=request.device, dtype=request.dtype)
