"""What every block needs to know of a stream besides its tokens; computed once per forward pass."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from ltx_port.transformer.rope import RotaryTable


@dataclass(frozen=True)
class CrossConditioning:
    """What a stream brings to audio-video cross-attention; the release says if scale and shift are per token."""

    rope: RotaryTable
    scale_shift: Float[Tensor, "batch #tokens four_dim"]
    gate: Float[Tensor, "batch 1 dim"]


@dataclass(frozen=True)
class StreamConditioning:
    """Projected timesteps, text and positions of one stream; `cross` is None when it runs alone."""

    enabled: bool
    timestep: Float[Tensor, "batch tokens nine_dim"]
    embedded_timestep: Float[Tensor, "batch tokens dim"]
    prompt_timestep: Float[Tensor, "batch 1 two_dim"]
    context: Float[Tensor, "batch text_tokens dim"]
    context_bias: Float[Tensor, "batch 1 #tokens text_tokens"] | None
    rope: RotaryTable
    self_bias: Float[Tensor, "batch 1 tokens tokens"] | None
    cross: CrossConditioning | None


@dataclass(frozen=True)
class StreamState:
    """The tokens of a stream on their way through the blocks, with their conditioning."""

    tokens: Float[Tensor, "batch tokens dim"]
    conditioning: StreamConditioning

    @property
    def enabled(self) -> bool:
        """Whether the blocks change this stream."""
        return self.conditioning.enabled

    def moved_to(self, tokens: Float[Tensor, "batch tokens dim"]) -> "StreamState":
        """Give the same stream with new tokens."""
        return replace(self, tokens=tokens)
