"""From a checkpoint file to a vocoder that runs: built on the meta device, loaded strictly."""

import torch

from ltx_port.checkpoint.audio_config import VocoderConfig
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.meta import on_meta
from ltx_port.checkpoint.strict import Part, load_strictly
from ltx_port.release import NEWEST, Release
from ltx_port.vocoder.keys import PREFIX, vocoder_keys
from ltx_port.vocoder.model import Vocoder


def build_vocoder(config: VocoderConfig, release: Release = NEWEST) -> Vocoder:
    """Give the vocoder without weights (on the meta device), in evaluation mode."""
    with on_meta("vocoder"):
        return Vocoder(config, release).eval()


def load_vocoder(
    checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype, release: Release = NEWEST
) -> Vocoder:
    """Give the checkpoint's vocoder with its weights on `device`, rounded to `dtype`.

    Every vocoder key of the file must have its place and every place its key, with the same shape; anything else is
    an InputError that names the first offender and counts the rest.
    """
    config = checkpoint.config.vocoder
    model = build_vocoder(config, release)
    load_strictly(model, checkpoint, Part("vocoder", vocoder_keys(config), (PREFIX,)), device, dtype)
    # Rounded first: the newer release computes in float32 with weights that were loaded in the working precision.
    return model.to(device, torch.float32 if release.vocoder_float32 else None)
