"""The upsampler's own file: its configuration, read strictly, and its tensors."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import Field

from ltx_port.checkpoint.config import parse_section, refuse_violations
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.section import Count, Depth, PositiveNumber, Section
from ltx_port.checkpoint.supported import Violation, unsupported_values
from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.errors import InputError

NORM_GROUPS = 32
# The branches that this port has; the files of LTX-2.0, and those that scale by 1.5 or in time, have others.
_ONLY: dict[str, object] = {
    "_class_name": "LatentUpsampler",
    "dims": 3,
    "spatial_upsample": True,
    "temporal_upsample": False,
    "spatial_scale": 2.0,
    "rational_resampler": False,
}


class UpsamplerConfig(Section):
    """The `config` metadata of an upsampler file; every key must be there."""

    class_name: str = Field(alias="_class_name")
    in_channels: Count
    mid_channels: Count
    num_blocks_per_stage: Depth
    dims: Count
    spatial_upsample: bool
    temporal_upsample: bool
    spatial_scale: PositiveNumber
    rational_resampler: bool


def parse_upsampler_config(text: str, where: str) -> UpsamplerConfig:
    """Read the configuration from JSON text; `where` names its origin in errors.

    Raises InputError for a key that is unknown, missing, doubled or of the wrong type, and for a value that this port
    cannot honour.
    """
    config = parse_section(UpsamplerConfig, text, where)
    refuse_violations(chain(unsupported_values(config, _ONLY), _ungrouped(config)), where)
    return config


def _ungrouped(config: UpsamplerConfig) -> Iterator[Violation]:
    if config.mid_channels % NORM_GROUPS:
        yield Violation("mid_channels", config.mid_channels, f"a multiple of {NORM_GROUPS}")


class UpsamplerFile(TensorFile):
    """An opened upsampler file. Opening it raises InputError where it is not one that this port can compute."""

    right_file = "use the spatial x2 upscaler of LTX-2.3, with its metadata"
    config: UpsamplerConfig

    def __init__(self, path: Path, handle: Any, metadata: Mapping[str, str], identity: tuple[int, int, int, int]):
        super().__init__(path, handle, metadata, identity)
        self.config = parse_upsampler_config(self._required_metadata("config"), f"{path}: config")

    def require_fits(self, checkpoint: CheckpointFile) -> None:
        """Refuse, by InputError, an upsampler for latents of another width than a checkpoint's."""
        channels = checkpoint.config.vae.latent_channels
        if self.config.in_channels != channels:
            raise InputError(
                f"{self.path}: config",
                f"in_channels is {self.config.in_channels}",
                f"{channels}, the latent_channels of {checkpoint.path}",
                "use an upsampler and a checkpoint that belong together",
            )
