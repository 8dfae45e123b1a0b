"""Multi-head attention with full-width query and key norms, rotary positions and a gate on every head."""

import contextlib
from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ltx_port.release import Release
from ltx_port.transformer.rope import RotaryTable, Rotate


class AttentionBackend(Enum):
    """Which kernel computes the attention; `AUTO` is the release's own choice, as the reference makes it."""

    AUTO = "auto"
    MATH = "math"
    FLASH = "flash"
    EFFICIENT = "efficient"
    CUDNN = "cudnn"


_KERNELS = {
    AttentionBackend.CUDNN: SDPBackend.CUDNN_ATTENTION,
    AttentionBackend.FLASH: SDPBackend.FLASH_ATTENTION,
    AttentionBackend.EFFICIENT: SDPBackend.EFFICIENT_ATTENTION,
    AttentionBackend.MATH: SDPBackend.MATH,
}


def kernels_for(backend: AttentionBackend, release: Release) -> list[SDPBackend] | None:
    """Give the kernels to choose from, the first that fits; None leaves kernels and order to torch."""
    if backend is not AttentionBackend.AUTO:
        return [_KERNELS[backend]]
    return list(_KERNELS.values()) if release.cudnn_attention_first else None


@dataclass(frozen=True)
class AttentionShape:
    """Widths of one attention: of its queries, of its keys and values, and of its heads.

    `rotary`: queries and keys are rotated by their positions (text has none).
    """

    query_dim: int
    context_dim: int
    heads: int
    head_dim: int
    rotary: bool

    @property
    def inner_dim(self) -> int:
        """Channels of all heads together."""
        return self.heads * self.head_dim


class AttentionKernel(nn.Module):
    """Scaled dot-product attention over heads."""

    def __init__(self, heads: int):
        super().__init__()
        self.heads = heads
        self.kernels: list[SDPBackend] | None = None

    def forward(
        self,
        query: Float[Tensor, "batch tokens inner"],
        key: Float[Tensor, "batch context_tokens inner"],
        value: Float[Tensor, "batch context_tokens inner"],
        bias: Float[Tensor, "batch 1 #tokens context_tokens"] | None,
    ) -> Float[Tensor, "batch tokens inner"]:
        """Attend; `bias` is added to the logits of every head."""
        query, key, value = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (query, key, value))
        with self._kernel():
            out = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return out.transpose(1, 2).flatten(2)

    def _kernel(self) -> contextlib.AbstractContextManager[object]:
        if self.kernels is None:
            return contextlib.nullcontext()
        return sdpa_kernel(self.kernels, set_priority=True)


class HeadGate(nn.Module):
    """Weighs every head by 2 * sigmoid(logit): a logit of zero lets the head through unchanged."""

    def forward(
        self, x: Float[Tensor, "batch tokens inner"], logits: Float[Tensor, "batch tokens heads"]
    ) -> Float[Tensor, "batch tokens inner"]:
        """Gate in the dtype of the tokens."""
        gates = 2.0 * torch.sigmoid(logits)
        return (x.unflatten(-1, (logits.shape[-1], -1)) * gates.unsqueeze(-1)).flatten(2)


class Attention(nn.Module):
    """One attention of a block; queries come from `x`, keys and values from a context."""

    def __init__(self, shape: AttentionShape, eps: float):
        super().__init__()
        inner = shape.inner_dim
        self.to_q = nn.Linear(shape.query_dim, inner)
        self.to_k = nn.Linear(shape.context_dim, inner)
        self.to_v = nn.Linear(shape.context_dim, inner)
        self.q_norm = nn.RMSNorm(inner, eps=eps)
        self.k_norm = nn.RMSNorm(inner, eps=eps)
        self.rotate_q = Rotate() if shape.rotary else None
        self.rotate_k = Rotate() if shape.rotary else None
        self.kernel = AttentionKernel(shape.heads)
        self.to_gate_logits = nn.Linear(shape.query_dim, shape.heads)
        self.head_gate = HeadGate()
        self.to_out = nn.Linear(inner, shape.query_dim)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        context: Float[Tensor, "batch context_tokens context_dim"],
        *,
        bias: Float[Tensor, "batch 1 #tokens context_tokens"] | None = None,
        rope: tuple[RotaryTable, RotaryTable] | None = None,
        keep_mask: Float[Tensor, "batch 1 1"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Attend with the rotary tables of (queries, keys), which a rotary attention needs.

        Where `keep_mask` is 0 (self-attention only) the values pass through in place of what was attended to.
        """
        value = self.to_v(context)
        attended = self._attend(x, context, value, bias, rope)
        if keep_mask is not None:
            attended = attended * keep_mask + value * (1 - keep_mask)
        return self._gated(x, attended)

    def pass_values(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Give what is left of self-attention when every sample skips it: the values, gated and projected."""
        return self._gated(x, self.to_v(x))

    def _attend(
        self,
        x: Tensor,
        context: Tensor,
        value: Tensor,
        bias: Tensor | None,
        rope: tuple[RotaryTable, RotaryTable] | None,
    ) -> Tensor:
        query = self.q_norm(self.to_q(x))
        key = self.k_norm(self.to_k(context))
        if self.rotate_q is not None and self.rotate_k is not None:
            assert rope is not None, "a rotary attention without tables"
            query, key = self.rotate_q(query, rope[0]), self.rotate_k(key, rope[1])
        return self.kernel(query, key, value, bias)

    def _gated(self, x: Tensor, attended: Tensor) -> Tensor:
        return self.to_out(self.head_gate(attended, self.to_gate_logits(x)))
