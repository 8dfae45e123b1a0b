"""One clip to be written, in neutral terms that every implementation's adapter understands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

SAMPLING_RATE = 48000
# As many stretches as one pass may have: the reference's adapter keeps a module ready for each.
MOST_CHUNKS = 2


@dataclass(frozen=True)
class Mp4Pass:
    """Frames in stretches, as a video decoder hands them on, and a waveform of two channels.

    `fps` is whole: the official code cuts off other rates. `file`: a file is written too, and read back.
    """

    name: str
    chunks: tuple[Tensor, ...]
    waveform: Tensor
    fps: int
    file: bool = False

    @property
    def frames(self) -> int:
        """Frames of all stretches."""
        return sum(map(len, self.chunks))

    @property
    def flags(self) -> frozenset[str]:
        """Say what holds throughout the pass; the catalogue's `when` asks this."""
        flags = {"planes": self.chunks[0].dtype is not torch.uint8, "file": self.file}
        return frozenset(name for name, holds in flags.items() if holds)

    def to(self, dtype: torch.dtype) -> "Mp4Pass":
        """Give the pass with its frames in another precision, unless they are bytes; sound is float32 in every run."""
        return self._with(lambda chunk: chunk if chunk.dtype is torch.uint8 else chunk.to(dtype), self.waveform)

    def on(self, device: torch.device) -> "Mp4Pass":
        """Give the pass with its tensors on a device."""
        return self._with(lambda chunk: chunk.to(device), self.waveform.to(device))

    def _with(self, change: Callable[[Tensor], Tensor], waveform: Tensor) -> "Mp4Pass":
        return replace(self, chunks=tuple(change(chunk) for chunk in self.chunks), waveform=waveform)

    def tensors(self) -> Mapping[str, Tensor]:
        """Give every input by name, for hashing."""
        chunks = {f"chunk{index}": chunk for index, chunk in enumerate(self.chunks)}
        found = {**chunks, "waveform": self.waveform, "numbers": torch.tensor([self.fps, self.file])}
        return {f"{self.name}.{name}": tensor for name, tensor in found.items()}
