"""The official audio encoder and decoder, built by the official loader and called as its pipelines do."""

# Before the official modules, which import torchaudio.
from reference_dumps.official import torchaudio_without_extension  # noqa: F401

# isort: split
from pathlib import Path
from typing import Any

from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.model.audio_vae import (
    AUDIO_VAE_DECODER_COMFY_KEYS_FILTER,
    AUDIO_VAE_ENCODER_COMFY_KEYS_FILTER,
    AudioDecoderConfigurator,
    AudioEncoderConfigurator,
    encode_audio,
)
from ltx_core.types import Audio
from torch import Tensor, nn

from parity.ltx23.terms import Load, TensorPass
from reference_dumps.official.whole import whole


class AudioVae(nn.Module):
    """Both halves side by side, and a module for `encode_audio` to be called by."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, waveform: Tensor, sampling_rate: int) -> Tensor:
        """Encode a waveform; as in the pipelines, the processor is made anew inside, from the encoder's settings."""
        return encode_audio(Audio(waveform=waveform, sampling_rate=sampling_rate), self.encoder)


def load(request: Load) -> AudioVae:
    """Give both live halves; BadInputError where the file leaves a parameter without weights."""
    checkpoint = request.files["checkpoint"]
    encoder = _builder(AudioEncoderConfigurator, checkpoint, AUDIO_VAE_ENCODER_COMFY_KEYS_FILTER)
    decoder = _builder(AudioDecoderConfigurator, checkpoint, AUDIO_VAE_DECODER_COMFY_KEYS_FILTER)
    built = (builder.build(device=request.device, dtype=request.dtype) for builder in (encoder, decoder))
    return whole(AudioVae(*built), checkpoint)


def _builder(configurator: Any, checkpoint: Path, keys: Any) -> Any:
    # Alike in both releases: what the configurator reads, `config` or all metadata, is the builder's affair.
    return SingleGPUModelBuilder(model_class_configurator=configurator, model_path=str(checkpoint), model_sd_ops=keys)


def call(model: AudioVae, forward: TensorPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    tensors = {**forward.working, **forward.fixed}
    if "latent" in tensors:
        model.decoder(tensors["latent"])
    elif "mel" in tensors:
        model.encoder(tensors["mel"])
    else:
        model(tensors["waveform"], forward.settings["sampling_rate"])
