"""From a checkpoint file to a video encoder or decoder that runs: built on the meta device, loaded strictly."""

import torch
from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.meta import on_meta
from ltx_port.checkpoint.strict import load_strictly
from ltx_port.checkpoint.video_config import VideoVaeConfig
from ltx_port.release import NEWEST, Release
from ltx_port.video_vae.decoder import VideoDecoder
from ltx_port.video_vae.encoder import VideoEncoder
from ltx_port.video_vae.keys import decoder_part, encoder_part


def build_video_encoder(config: VideoVaeConfig, release: Release = NEWEST) -> VideoEncoder:
    """Give the encoder without weights (on the meta device), in evaluation mode."""
    with on_meta("video encoder"):
        return VideoEncoder(config, release).eval()


def build_video_decoder(config: VideoVaeConfig, release: Release = NEWEST) -> VideoDecoder:
    """Give the decoder without weights (on the meta device), in evaluation mode."""
    with on_meta("video decoder"):
        return VideoDecoder(config, release).eval()


def load_video_encoder(
    checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype, release: Release = NEWEST
) -> VideoEncoder:
    """Give the checkpoint's encoder on `device`, rounded to `dtype`; InputError names the first key that is wrong."""
    model = build_video_encoder(checkpoint.config.vae, release)
    load_strictly(model, checkpoint, encoder_part(model.key_paths()), device, dtype)
    return model


def load_video_decoder(
    checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype, release: Release = NEWEST
) -> VideoDecoder:
    """Give the checkpoint's decoder on `device`, rounded to `dtype`; InputError names the first key that is wrong."""
    model = build_video_decoder(checkpoint.config.vae, release)
    load_strictly(model, checkpoint, decoder_part(model.key_paths()), device, dtype)
    if release.decoder_channels_last:
        for module in model.modules():
            if isinstance(module, nn.Conv3d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
    return model
