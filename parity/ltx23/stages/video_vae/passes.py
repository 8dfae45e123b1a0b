"""One call of the video autoencoder, in neutral terms that every implementation's adapter understands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor


class Does(StrEnum):
    """What a pass runs."""

    DECODE = "decode"
    """A latent to frames, at once."""
    DECODE_BATCH = "decode_batch"
    """Latents to pixels, at once."""
    DECODE_TILES = "decode_tiles"
    """A latent to frames, in tiles."""
    DECODE_BATCH_TILES = "decode_batch_tiles"
    """Latents to pixels, in tiles."""
    ENCODE = "encode"
    """Pixels to latents, at once."""
    ENCODE_TILES = "encode_tiles"
    """Pixels to latents, in tiles."""


@dataclass(frozen=True)
class Tiles:
    """(size, overlap) of tiles in pixels and in frames, None where an axis stays whole.

    For decoding, `pixels` holds for the long side, for encoding for both. `count` says how many tiles there must be
    along frames, rows and columns; `crowded`, whether more than two overlap somewhere; `default`, whether the sizes
    are those of the release's pipelines.
    """

    pixels: tuple[int, int] | None
    frames: tuple[int, int] | None
    count: tuple[int, int, int]
    crowded: bool = False
    default: bool = False


@dataclass(frozen=True)
class VaePass:
    """One call. `plain`: in the form that computes a step a module, where a release has another one as well."""

    name: str
    does: Does
    value: Tensor
    tiles: Tiles | None = None
    plain: bool = False

    def to(self, dtype: torch.dtype) -> "VaePass":
        """Give the pass in another working precision."""
        return replace(self, value=self.value.to(dtype))

    def on(self, device: torch.device) -> "VaePass":
        """Give the pass with its tensor on a device."""
        return replace(self, value=self.value.to(device))

    def tensors(self) -> Mapping[str, Tensor]:
        """Give the input by name, for hashing."""
        return {f"{self.name}.{self.does}": self.value}

    @property
    def encodes(self) -> bool:
        """Whether it goes from pixels to a latent."""
        return self.does in (Does.ENCODE, Does.ENCODE_TILES)

    @property
    def shows_frames(self) -> bool:
        """Whether it ends with frames, and not with pixels."""
        return self.does in (Does.DECODE, Does.DECODE_TILES)
