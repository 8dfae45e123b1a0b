"""Calls of the denoising stage, in neutral terms that every implementation's adapter understands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class SchedulePass:
    """One schedule; `grid` is (frames, rows, columns) of the latent, None for the schedule that no size changes."""

    name: str
    steps: int
    grid: tuple[int, int, int] | None = None

    def to(self, dtype: torch.dtype) -> "SchedulePass":
        """Schedules are float32 in every precision."""
        return self

    def on(self, device: torch.device) -> "SchedulePass":
        """Schedules are made on the CPU."""
        return self

    def tensors(self) -> dict[str, Tensor]:
        """Give no tensors: a schedule is made of numbers."""
        return {}


@dataclass(frozen=True)
class StreamStart:
    """One stream before the first step, and its prompts; fields as in `ltx_port.denoise.NoisyStream`."""

    latent: Tensor
    clean: Tensor
    mask: Tensor
    positions: Tensor
    context: Tensor
    negative: Tensor | None = None
    held: bool = False

    def to(self, dtype: torch.dtype) -> "StreamStart":
        """Give the stream in another working precision; mask and positions keep their dtype."""
        return self._with({n: t.to(dtype) for n, t in self.tensors().items() if n not in ("mask", "positions")})

    def on(self, device: torch.device) -> "StreamStart":
        """Give the stream with its tensors on a device."""
        return self._with({name: tensor.to(device) for name, tensor in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Give the tensors by name, for hashing."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def _with(self, changed: Mapping[str, Any]) -> "StreamStart":
        return replace(self, **changed)


@dataclass(frozen=True)
class Scales:
    """Guidance of one stream; fields as in `ltx_port.denoise.GuidanceScales`."""

    cfg: float
    stg: float
    blocks: tuple[int, ...]
    modality: float
    rescale: float
    skip_step: int = 0


@dataclass(frozen=True)
class LoopPass:
    """A whole loop over `sigmas` (float32). `scales` are those of (video, audio), None for no guidance.

    `second_order`: by res_2s, else by Euler. `max_batch`: how many samples of the joined guidance passes the model gets
    at a time, in releases that join them. Both are those that the case is loaded with.
    """

    name: str
    sigmas: Tensor
    video: StreamStart
    audio: StreamStart
    scales: tuple[Scales, Scales] | None = None
    second_order: bool = False
    max_batch: int = 1

    def to(self, dtype: torch.dtype) -> "LoopPass":
        """Give the pass in another working precision."""
        return replace(self, video=self.video.to(dtype), audio=self.audio.to(dtype))

    def on(self, device: torch.device) -> "LoopPass":
        """Give the pass with its tensors on a device."""
        sigmas = self.sigmas.to(device)
        return replace(self, sigmas=sigmas, video=self.video.on(device), audio=self.audio.on(device))

    def tensors(self) -> dict[str, Tensor]:
        """Give every input tensor by name, for hashing."""
        streams = {"video": self.video.tensors(), "audio": self.audio.tensors()}
        named = {f"{stream}.{name}": tensor for stream, given in streams.items() for name, tensor in given.items()}
        return {f"{self.name}.{name}": tensor for name, tensor in {"sigmas": self.sigmas, **named}.items()}

    @property
    def steps(self) -> int:
        """Steps from noise level to noise level."""
        return len(self.sigmas) - 1


DenoisePass = SchedulePass | LoopPass
