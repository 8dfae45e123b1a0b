"""From the upsampler's file and a checkpoint to an upsampler that runs: built on the meta device, loaded strictly."""

import torch

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.meta import on_meta
from ltx_port.checkpoint.strict import Part, load_strictly
from ltx_port.upsampler.config import UpsamplerConfig, UpsamplerFile
from ltx_port.upsampler.keys import STATISTICS, STATISTICS_PREFIX, official_key
from ltx_port.upsampler.upsampler import UpsampleVideo


def build_upsampler(config: UpsamplerConfig) -> UpsampleVideo:
    """Give the upsampler between its statistics, without weights (on the meta device), in evaluation mode."""
    with on_meta("upsampler"):
        return UpsampleVideo(config).eval()


def load_upsampler(
    file: UpsamplerFile, checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype
) -> UpsampleVideo:
    """Give the upsampler with its weights, and the checkpoint's statistics, on `device`, rounded to `dtype`.

    Raises InputError where the two files are for latents of different widths, and for a key that is missing, unknown,
    misshapen or not finite.
    """
    file.require_fits(checkpoint)
    model = build_upsampler(file.config)
    keys = {own: official_key(own) for own in model.upsampler.state_dict()}
    # All of the file is the upsampler's.
    load_strictly(model.upsampler, file, Part("upsampler", keys, ("",)), device, dtype)
    for statistics in (model.unnormalize, model.normalize):
        part = Part("video statistics", STATISTICS, (STATISTICS_PREFIX,))
        load_strictly(statistics, checkpoint, part, device, dtype)
    return model
