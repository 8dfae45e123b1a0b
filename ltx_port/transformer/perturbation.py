"""Which attention a sample leaves out, for the guidance passes that need a worse prediction to push from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor


class Skip(Enum):
    """An attention that a perturbation can leave out."""

    VIDEO_SELF_ATTENTION = "video_self_attention"
    AUDIO_SELF_ATTENTION = "audio_self_attention"
    AUDIO_TO_VIDEO = "audio_to_video"
    VIDEO_TO_AUDIO = "video_to_audio"


@dataclass(frozen=True)
class Perturbation:
    """The attentions that one sample of the batch skips, each with its blocks (None: in every block)."""

    skips: dict[Skip, frozenset[int] | None] = field(default_factory=dict)

    def skipped(self, skip: Skip, block: int) -> bool:
        """Whether this sample leaves out `skip` in the block with that index."""
        if skip not in self.skips:
            return False
        blocks = self.skips[skip]
        return blocks is None or block in blocks


NO_PERTURBATION = Perturbation()


@dataclass(frozen=True)
class BlockSkips:
    """What each sample of the batch skips in one block."""

    block: int
    samples: Sequence[Perturbation]

    def all(self, skip: Skip) -> bool:
        """Whether every sample skips it, so that it need not be computed."""
        return all(sample.skipped(skip, self.block) for sample in self.samples)

    def keep_mask(self, skip: Skip, like: Tensor) -> Float[Tensor, "batch 1 1"] | None:
        """1 where a sample keeps the attention and 0 where it skips it; None when every sample keeps it."""
        skipped = [sample.skipped(skip, self.block) for sample in self.samples]
        if not any(skipped):
            return None
        keep = torch.tensor([not s for s in skipped], dtype=like.dtype, device=like.device)
        return keep.view(-1, 1, 1)
