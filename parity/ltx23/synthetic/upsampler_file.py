"""What a synthetic upsampler file is made from."""

from dataclasses import dataclass

import torch

from ltx_port.upsampler.config import UpsamplerConfig, parse_upsampler_config
from parity.ltx23.configs import upsampler_config_text
from parity.ltx23.refusals import refusals
from parity.ltx23.synthetic.components.upsampler import upsampler_rows
from parity.ltx23.synthetic.heavy import Profile
from parity.ltx23.synthetic.recipe import Shape
from parity.ltx23.synthetic.spec import require_writable, written_by


@dataclass(frozen=True)
class UpsamplerSpec:
    """All that decides the bytes of a synthetic upsampler file, as CheckpointSpec has it.

    `config` is the name of a packaged configuration, or the JSON text of an upsampler's.
    """

    config: str
    seed: int
    dtype: torch.dtype = torch.bfloat16
    profile: Profile = Profile.ALIVE

    def __post_init__(self) -> None:
        require_writable(self.dtype)

    def resolved_config(self) -> UpsamplerConfig:
        """Give the configuration that goes into the file; BadInputError where it is not one."""
        is_text = self.config.lstrip().startswith("{")
        with refusals():
            text = self.config if is_text else upsampler_config_text(self.config)
            return parse_upsampler_config(text, "config text" if is_text else f"config {self.config!r}")

    def shapes(self) -> dict[str, Shape]:
        """Give every key of the file with its shape, in the order of the data."""
        return dict(upsampler_rows(self.resolved_config()))

    def metadata(self) -> dict[str, str]:
        """Give the metadata: the official entry, and from what the file can be made again."""
        return {"config": self.resolved_config().model_dump_json(by_alias=True), "synthetic": written_by(self)}
