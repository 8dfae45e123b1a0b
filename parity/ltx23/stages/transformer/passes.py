"""One forward pass of the transformer, in neutral terms that every implementation's adapter understands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor


class Skipped(Enum):
    """An attention that a sample can leave out."""

    VIDEO_SELF = "video_self"
    AUDIO_SELF = "audio_self"
    A2V = "a2v"
    V2A = "v2a"


# For each skipped attention its blocks; None: in every block.
SampleSkips = Mapping[Skipped, frozenset[int] | None]


@dataclass(frozen=True)
class StreamInput:
    """What one stream brings: shapes as in `ltx_port.transformer.ModalityInput`."""

    latent: Tensor
    sigma: Tensor
    timesteps: Tensor
    positions: Tensor
    context: Tensor
    enabled: bool = True
    context_mask: Tensor | None = None
    attention_mask: Tensor | None = None

    def to(self, dtype: torch.dtype) -> "StreamInput":
        """Give the stream with latent and context in `dtype`.

        Positions and noise levels keep theirs: their dtype is part of the release, not of the precision.
        """
        mask = self.context_mask
        if mask is not None and mask.is_floating_point():
            mask = mask.to(dtype)
        return replace(self, latent=self.latent.to(dtype), context=self.context.to(dtype), context_mask=mask)

    def on(self, device: torch.device) -> "StreamInput":
        """Give the stream with its tensors on a device."""
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in self.tensors().items()}
        return replace(self, **moved)

    def tensors(self) -> dict[str, Tensor]:
        """Give the tensors by name, for hashing."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}


@dataclass(frozen=True)
class ForwardPass:
    """One call of the transformer; `skips` has an entry for each sample of the batch."""

    name: str
    video: StreamInput | None
    audio: StreamInput | None
    skips: tuple[SampleSkips, ...]

    def to(self, dtype: torch.dtype) -> "ForwardPass":
        """Give the pass in another working precision."""
        return replace(self, video=self.video and self.video.to(dtype), audio=self.audio and self.audio.to(dtype))

    def on(self, device: torch.device) -> "ForwardPass":
        """Give the pass with its tensors on a device."""
        return replace(self, video=self.video and self.video.on(device), audio=self.audio and self.audio.on(device))

    def tensors(self) -> dict[str, Tensor]:
        """Give every input tensor by name, for hashing."""
        streams = (("video", self.video), ("audio", self.audio))
        return {
            f"{self.name}.{stream}.{name}": tensor
            for stream, given in streams
            if given is not None
            for name, tensor in given.tensors().items()
        }

    def flags(self, block: int | None) -> frozenset[str]:
        """Say what holds in a block of this pass (None: outside the blocks); the catalogue's `when` asks this."""
        found = {
            "video": self.video is not None,
            "audio": self.audio is not None,
            "both": self.video is not None and self.audio is not None,
            "video_on": self.video is not None and self.video.enabled,
            "audio_on": self.audio is not None and self.audio.enabled,
            "video_mask": self.video is not None and self.video.attention_mask is not None,
            "audio_mask": self.audio is not None and self.audio.attention_mask is not None,
            "video_context_mask": self.video is not None and self.video.context_mask is not None,
            "audio_context_mask": self.audio is not None and self.audio.context_mask is not None,
        }
        found["exchange"] = found["both"] and (found["video_on"] or found["audio_on"])
        if block is not None:
            found["video_attends"] = found["video_on"] and not self._all_skip(Skipped.VIDEO_SELF, block)
            found["audio_attends"] = found["audio_on"] and not self._all_skip(Skipped.AUDIO_SELF, block)
            found["a2v"] = found["both"] and found["video_on"] and not self._all_skip(Skipped.A2V, block)
            found["v2a"] = found["both"] and found["audio_on"] and not self._all_skip(Skipped.V2A, block)
        return frozenset(name for name, holds in found.items() if holds)

    def _all_skip(self, skipped: Skipped, block: int) -> bool:
        return all(
            skipped in sample and ((blocks := sample[skipped]) is None or block in blocks) for sample in self.skips
        )


def in_one_batch(passes: Sequence[ForwardPass]) -> ForwardPass | None:
    """Put passes in one batch, as guidance may run them; None where there is one, or they differ in more than numbers.

    Passes that lack a stream, or have it disabled, do not fit with others.
    """
    kinds = {tuple(_kind(stream) for stream in (one.video, one.audio)) for one in passes}
    if len(passes) < 2 or len(kinds) > 1:
        return None
    skips = tuple(sample for one in passes for sample in one.skips)
    return ForwardPass("pass_joined", _stacked([p.video for p in passes]), _stacked([p.audio for p in passes]), skips)


def _kind(stream: StreamInput | None) -> object:
    if stream is None:
        return None
    return stream.enabled, tuple((name, tensor.shape, tensor.dtype) for name, tensor in stream.tensors().items())


def _stacked(streams: Sequence[StreamInput | None]) -> StreamInput | None:
    given = [stream for stream in streams if stream is not None]
    if not given:
        return None
    stacked: dict[str, Any] = {
        name: torch.cat([stream.tensors()[name] for stream in given]) for name in given[0].tensors()
    }
    return replace(given[0], **stacked)
