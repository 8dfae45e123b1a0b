"""From a checkpoint file to both halves of the audio autoencoder: built on the meta device, loaded strictly."""

import torch
from torch import nn

from ltx_port.audio_vae.decoder import AudioDecoder
from ltx_port.audio_vae.encoder import AudioEncoder, WaveformEncoder
from ltx_port.audio_vae.keys import STATISTICS_PREFIX, official_key
from ltx_port.checkpoint.audio_config import AudioVaeConfig
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.meta import on_meta
from ltx_port.checkpoint.strict import Part, load_strictly

ENCODER_PREFIX = "audio_vae.encoder."
DECODER_PREFIX = "audio_vae.decoder."


def build_audio_encoder(config: AudioVaeConfig) -> AudioEncoder:
    """Give the encoder without weights (on the meta device), in evaluation mode."""
    with on_meta("audio encoder"):
        return AudioEncoder(config).eval()


def build_audio_decoder(config: AudioVaeConfig) -> AudioDecoder:
    """Give the decoder without weights (on the meta device), in evaluation mode."""
    with on_meta("audio decoder"):
        return AudioDecoder(config).eval()


def audio_part(name: str, prefix: str, model: nn.Module) -> Part:
    """Say what of a checkpoint belongs to one half; the statistics belong to both."""
    keys = {own: official_key(prefix, own) for own in model.state_dict()}
    return Part(name, keys, (prefix, STATISTICS_PREFIX))


def load_audio_encoder(checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype) -> WaveformEncoder:
    """Give the checkpoint's encoder behind its front end, with weights and statistics on `device`, rounded to `dtype`.

    Raises InputError for a key that is missing, unknown, misshapen or not finite.
    """
    config = checkpoint.config.audio_vae
    encoder = build_audio_encoder(config)
    load_strictly(encoder, checkpoint, audio_part("audio encoder", ENCODER_PREFIX, encoder), device, dtype)
    return WaveformEncoder(config, encoder).eval()


def load_audio_decoder(checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype) -> AudioDecoder:
    """Give the checkpoint's decoder with weights and statistics on `device`, rounded to `dtype`.

    Raises InputError for a key that is missing, unknown, misshapen or not finite.
    """
    decoder = build_audio_decoder(checkpoint.config.audio_vae)
    load_strictly(decoder, checkpoint, audio_part("audio decoder", DECODER_PREFIX, decoder), device, dtype)
    return decoder
