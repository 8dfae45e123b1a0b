"""The models of a run, each built when it is asked for and kept by nobody but who asked."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ltx_port.audio_vae.decoder import AudioDecoder
from ltx_port.audio_vae.load import load_audio_decoder
from ltx_port.checkpoint.load import load_transformer
from ltx_port.errors import InputError
from ltx_port.lora.fusion import LoraFusion
from ltx_port.pipeline.files import ModelFiles
from ltx_port.pipeline.hidden_states import NEGATIVE, PROMPT
from ltx_port.pipeline.route import Route
from ltx_port.release import Release
from ltx_port.text import PROMPT_TOKENS, PromptStates, TextEmbeddings, load_text_embeddings, read_prompts
from ltx_port.text.connector import Connector
from ltx_port.text.gemma import GemmaStates, load_gemma
from ltx_port.text.tokenizer import PromptTokenizer, load_tokenizer
from ltx_port.transformer import DenoisedPrediction
from ltx_port.transformer.attention import AttentionBackend
from ltx_port.upsampler import UpsampleVideo, load_upsampler
from ltx_port.video_vae import ClipDecoder, VideoEncoder
from ltx_port.video_vae.load import load_video_decoder, load_video_encoder
from ltx_port.vocoder.load import load_vocoder
from ltx_port.vocoder.sound import SoundDecoder


@dataclass(frozen=True)
class Numerics:
    """How a run computes; all but the device decides its numbers, and so does the device's kind."""

    release: Release
    device: torch.device
    dtype: torch.dtype = torch.bfloat16
    attention: AttentionBackend = AttentionBackend.AUTO
    offload: bool = False
    """Blocks and Gemma's layers stay in host memory and are streamed: the same numbers, less memory, more time."""


class PromptReader(nn.Module):
    """Gemma with its tokenizer."""

    def __init__(self, tokenizer: PromptTokenizer, gemma: GemmaStates, numerics: Numerics):
        super().__init__()
        self.tokenizer, self.gemma = tokenizer, gemma
        self._batched, self._device = numerics.release.prompts_batched, numerics.device

    def forward(self, prompts: Sequence[str]) -> list[PromptStates]:
        """Give the hidden states of each prompt."""
        return read_prompts(self.tokenizer, self.gemma, prompts, self._batched, self._device)


@dataclass(frozen=True)
class Components:
    """Builds each model of a route from its files; nothing is remembered between two calls."""

    route: Route
    files: ModelFiles
    numerics: Numerics
    prompt_tokens: int = PROMPT_TOKENS

    def prompt_reader(self) -> PromptReader:
        """Give Gemma with its tokenizer; InputError where the run has hidden states instead."""
        root, numerics = self.files.gemma, self.numerics
        if root is None:
            raise InputError("prompt", "no Gemma", "its root folder", "give --gemma-root, or use the hidden states")
        tokenizer = load_tokenizer(root, numerics.release, self.prompt_tokens)
        return PromptReader(tokenizer, load_gemma(root, numerics.device, numerics.dtype, numerics.offload), numerics)

    def given_states(self, prompts: int) -> list[PromptStates] | None:
        """Give the hidden states of the first `prompts` of (prompt, negative), where the run has them in a file."""
        if self.files.hidden_states is None:
            return None
        return self.files.hidden_states.read_prompts((PROMPT, NEGATIVE)[:prompts], self._device, self._dtype)

    def text_embeddings(self) -> TextEmbeddings:
        """Give features and connectors."""
        model = load_text_embeddings(self.files.checkpoint, self._device, self._dtype, self._release)
        for module in model.modules():
            if isinstance(module, Connector):
                module.set_attention_backend(self.numerics.attention)
        return model

    def video_encoder(self) -> VideoEncoder:
        """Give the encoder of pictures."""
        return load_video_encoder(self.files.checkpoint, self._device, self._dtype, self._release)

    def transformer(self, stage: int) -> DenoisedPrediction:
        """Give the transformer of a stage, 1 or 2, with its LoRAs in its weights."""
        checkpoint, loras = self.files.transformer(self.route, stage)
        weights = LoraFusion(checkpoint, loras, self._release) if loras else None
        model = load_transformer(checkpoint, self._device, self._dtype, self._release, weights, self.numerics.offload)
        model.set_attention_backend(self.numerics.attention)
        return DenoisedPrediction(model)

    def upsampler(self) -> UpsampleVideo:
        """Give the upsampler between the video statistics."""
        assert self.files.upsampler is not None, "a route of two stages has one: check_files"
        return load_upsampler(self.files.upsampler, self.files.checkpoint, self._device, self._dtype)

    def video_decoder(self) -> ClipDecoder:
        """Give the decoder to frames."""
        return ClipDecoder(load_video_decoder(self.files.checkpoint, self._device, self._dtype, self._release))

    def audio_decoder(self) -> AudioDecoder:
        """Give the decoder to mel frames."""
        return load_audio_decoder(self.files.checkpoint, self._device, self._dtype)

    def sound_decoder(self) -> SoundDecoder:
        """Give the vocoder with its bandwidth extension."""
        return SoundDecoder(load_vocoder(self.files.checkpoint, self._device, self._dtype, self._release))

    def free(self) -> None:
        """Give memory of models that nobody holds any more back to the device."""
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def _device(self) -> torch.device:
        return self.numerics.device

    @property
    def _dtype(self) -> torch.dtype:
        return self.numerics.dtype

    @property
    def _release(self) -> Release:
        return self.numerics.release
