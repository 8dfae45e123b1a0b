"""What a synthetic checkpoint is made from: enough to write the same bytes again."""

import json
from dataclasses import dataclass
from typing import Protocol

import torch

from ltx_port.checkpoint.config import CheckpointConfig, parse_config
from ltx_port.errors import InputError
from parity.errors import BadInputError
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic.components import checkpoint_shapes
from parity.ltx23.synthetic.heavy import Profile
from parity.ltx23.synthetic.recipe import RECIPE_VERSION, Shape
from parity.ltx23.synthetic.weights import GENERATOR_VERSION

DTYPE_CODES = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", torch.float64: "F64"}
"""The dtypes that can be written, by their name in the file."""


class FileSpec(Protocol):
    """All that decides the bytes of a synthetic file: a checkpoint, an upsampler, a LoRA."""

    @property
    def seed(self) -> int:
        """Another seed, other numbers."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What the numbers are rounded to."""
        ...

    @property
    def profile(self) -> Profile:
        """What the weights are for."""
        ...

    def shapes(self) -> dict[str, Shape]:
        """Give every key of the file with its shape, in the order of the data."""
        ...

    def metadata(self) -> dict[str, str]:
        """Give the metadata."""
        ...


def require_writable(dtype: torch.dtype) -> None:
    """Raise BadInputError for a dtype that cannot be written."""
    if dtype not in DTYPE_CODES:
        expected = ", ".join(str(known).removeprefix("torch.") for known in DTYPE_CODES)
        raise BadInputError("synthetic checkpoint", f"dtype {dtype}", f"one of {expected}", "choose one")


def written_by(spec: FileSpec, **more: object) -> str:
    """Give the metadata entry `synthetic`, from which, with the others, the file can be made again."""
    versions = {"generator_version": GENERATOR_VERSION, "recipe_version": RECIPE_VERSION}
    return json.dumps({**more, **versions, "profile": spec.profile.value, "seed": spec.seed}, sort_keys=True)


@dataclass(frozen=True)
class CheckpointSpec:
    """All that decides the bytes of a synthetic checkpoint.

    `config` is the name of a packaged configuration, or its JSON text; `num_layers` replaces its number of
    blocks, so that real widths fit a small machine. Values are made in float32 and then rounded to nearest
    even, so the float64 file holds the float32 numbers.
    """

    config: str
    seed: int
    dtype: torch.dtype = torch.bfloat16
    profile: Profile = Profile.ALIVE
    components: tuple[str, ...] = ("transformer",)
    num_layers: int | None = None
    model_version: str = "2.3.0"

    def __post_init__(self) -> None:
        require_writable(self.dtype)
        if self.num_layers is not None and self.num_layers < 1:
            got = f"{self.num_layers} blocks"
            raise BadInputError("synthetic checkpoint", got, "1 or more", "give a number from 1 up, or none")

    def resolved_config(self) -> CheckpointConfig:
        """Give the configuration that goes into the file; BadInputError where it is not one."""
        is_text = self.config.lstrip().startswith("{")
        text = self.config if is_text else config_text(self.config)
        where = "config text" if is_text else f"config {self.config!r}"
        try:
            config = parse_config(text, where)
        except InputError as error:
            raise BadInputError(error.where, error.got, error.expected, error.next_step) from None
        if self.num_layers is None:
            return config
        transformer = config.transformer.model_copy(update={"num_layers": self.num_layers})
        return config.model_copy(update={"transformer": transformer})

    def shapes(self) -> dict[str, Shape]:
        """Give every key of the file with its shape, in the order of the data; none for a file of metadata alone."""
        return checkpoint_shapes(self.resolved_config(), self.components) if self.components else {}

    def metadata(self) -> dict[str, str]:
        """Give the metadata: the two official entries, and `synthetic`, from which the file can be made again."""
        return {
            "config": self.resolved_config().to_json(),
            "model_version": self.model_version,
            "synthetic": written_by(self, components=list(self.components)),
        }
