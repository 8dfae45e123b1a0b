"""One whole generation, in neutral terms that every implementation's adapter understands."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stages.denoise.passes import Scales

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Placed:
    """The case's picture at a pixel frame."""

    frame: int
    strength: float
    crf: int


@dataclass(frozen=True)
class Generation:
    """A prompt, a clip, a seed. `route` is two-stage, one-stage, distilled or hq; `scales` are of (video, audio).

    `portable_noise`: noise is drawn so that it is the same on every machine.
    """

    name: str
    route: str
    prompt: str
    negative: str
    seed: int
    frames: int
    height: int
    width: int
    fps: float
    steps: int
    scales: tuple[Scales, Scales]
    pictures: tuple[Placed, ...] = ()
    portable_noise: bool = False
    dtype: torch.dtype = torch.bfloat16
    device: torch.device = CPU

    def to(self, dtype: torch.dtype) -> "Generation":
        """Give the generation in another working precision."""
        return replace(self, dtype=dtype)

    def on(self, device: torch.device) -> "Generation":
        """Give the generation on a device: its noise is drawn there."""
        return replace(self, device=device)

    def tensors(self) -> dict[str, Tensor]:
        """Give all that decides the clip but its files, as bytes, for hashing."""
        told: dict[str, Any] = {name: value for name, value in vars(self).items() if name not in ("dtype", "device")}
        return {f"{self.name}.request": torch.frombuffer(bytearray(repr(told).encode()), dtype=torch.uint8)}

    @property
    def two_stages(self) -> bool:
        """Whether there is a second stage."""
        return self.route != "one-stage"

    @property
    def guided(self) -> bool:
        """Whether the first stage is guided."""
        return self.route != "distilled"

    @property
    def second_order(self) -> bool:
        """Whether the stages are sampled by res_2s."""
        return self.route == "hq"

    def evaluations(self, stage: int) -> int:
        """Give how often a stage (1 or 2) evaluates the model."""
        steps = 3 if stage == 2 else self.steps if self.guided else 8
        return 2 * steps + 1 if self.second_order else steps
