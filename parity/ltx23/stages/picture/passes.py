"""One picture to be made ready, in neutral terms that every implementation's adapter understands."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class PicturePass:
    """A file by its name in the case's folder, the clip's (height, width), and how strongly to compress (0: not)."""

    name: str
    file: str
    size: tuple[int, int]
    crf: int
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default=torch.device("cpu"))

    @property
    def flags(self) -> frozenset[str]:
        """Say what holds throughout the pass; the catalogue's `when` asks this."""
        return frozenset({"compressed"} if self.crf else ())

    def to(self, dtype: torch.dtype) -> "PicturePass":
        """Give the pass in another working precision."""
        return replace(self, dtype=dtype)

    def on(self, device: torch.device) -> "PicturePass":
        """Give the pass for a device, on which the picture is resized."""
        return replace(self, device=device)

    def tensors(self) -> Mapping[str, Tensor]:
        """Give the numbers of the request, for hashing; the file is hashed with the case's folder."""
        return {f"{self.name}.numbers": torch.tensor([*self.size, self.crf])}
