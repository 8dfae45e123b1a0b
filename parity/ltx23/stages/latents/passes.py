"""One preparation of latents, in neutral terms that every implementation's adapter understands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor

# As many conditions as one pass may have: the reference's adapter keeps a module ready for each.
MOST_CONDITIONS = 3


class Placing(Enum):
    """How an image conditions the clip."""

    BY_FRAME = "by_frame"
    """In the place of the first latent frame where it is at frame 0, appended where it is later."""
    REPLACING = "replacing"
    """In the place of the clip's own latent frames; `frame` counts latent frames."""
    APPENDED = "appended"
    """Behind the clip's own tokens; `frame` counts pixel frames."""


@dataclass(frozen=True)
class Image:
    """An encoded image (or several frames) that conditions the clip."""

    latent: Tensor
    frame: int
    strength: float
    placing: Placing = Placing.BY_FRAME

    @property
    def replaces(self) -> bool:
        """Whether it takes the place of frames, by the rule of the pipelines."""
        return self.placing is Placing.REPLACING or (self.placing is Placing.BY_FRAME and self.frame == 0)


@dataclass(frozen=True)
class Size:
    """A clip in pixels; `halved`: the first of two stages, which works at half its height and width."""

    frames: int
    height: int
    width: int
    fps: float
    batch: int = 1
    halved: bool = False

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width that latents are prepared for."""
        return (self.height // 2, self.width // 2) if self.halved else (self.height, self.width)

    @property
    def latent(self) -> tuple[int, int, int]:
        """Latent frames, rows and columns."""
        height, width = self.pixels
        return (self.frames - 1) // 8 + 1, height // 32, width // 32

    @property
    def audio_frames(self) -> int:
        """Audio latent frames: 25 a second."""
        return round(self.frames / self.fps * 25)


@dataclass(frozen=True)
class LatentsPass:
    """One preparation of both streams from one generator.

    `noise_scale` is the first noise level of the stage. `host`: the pass stays on the CPU whatever the device, since
    the noise of a seed is another on another kind of device, and a recording has the CPU's.
    """

    name: str
    size: Size
    images: tuple[Image, ...] = ()
    initial_video: Tensor | None = None
    initial_audio: Tensor | None = None
    noise_scale: float = 1.0
    seed: int = 0
    host: bool = False
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default=torch.device("cpu"))

    @property
    def flags(self) -> frozenset[str]:
        """Say what holds throughout the pass; the catalogue's `when` asks this."""
        # Noise that changes nothing downstream need not be compared.
        return frozenset({"noisy"} if self.noise_scale > 0 else ())

    def to(self, dtype: torch.dtype) -> "LatentsPass":
        """Give the pass in another working precision."""
        return self._with(lambda tensor: tensor.to(dtype), dtype=dtype)

    def on(self, device: torch.device) -> "LatentsPass":
        """Give the pass on a device, unless it must stay on the host."""
        return self if self.host else self._with(lambda tensor: tensor.to(device), device=device)

    def _with(self, change: Callable[[Tensor], Tensor], **fields: Any) -> "LatentsPass":
        return replace(
            self,
            images=tuple(replace(image, latent=change(image.latent)) for image in self.images),
            initial_video=None if self.initial_video is None else change(self.initial_video),
            initial_audio=None if self.initial_audio is None else change(self.initial_audio),
            **fields,
        )

    def tensors(self) -> Mapping[str, Tensor]:
        """Give every input by name, for hashing; the numbers that are not tensors as one of float64."""
        size, images = self.size, self.images
        numbers = [size.frames, size.height, size.width, size.fps, size.batch, size.halved, self.noise_scale, self.seed]
        numbers += [number for image in images for number in (image.frame, image.strength, image.replaces)]
        found = {
            "numbers": torch.tensor(numbers, dtype=torch.float64),
            "initial_video": self.initial_video,
            "initial_audio": self.initial_audio,
            **{f"image{index}": image.latent for index, image in enumerate(images)},
        }
        return {f"{self.name}.{name}": tensor for name, tensor in found.items() if tensor is not None}
