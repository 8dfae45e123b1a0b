"""The connector of a stream: a small transformer over the text, its padding replaced by learnt registers."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.release import Release
from ltx_port.transformer.attention import Attention, AttentionBackend, AttentionKernel, AttentionShape, kernels_for
from ltx_port.transformer.feed_forward import FeedForward
from ltx_port.transformer.modulation import TokenNorm
from ltx_port.transformer.rope import RotaryEmbedding, RotaryTable

REGISTERS = 128
# The official connectors are built without these two, so that the code's own defaults rule whatever the checkpoint
# says of the transformer (`norm_eps`, `positional_embedding_theta`).
EPS = 1e-6
ROPE_THETA = 10000.0


@dataclass(frozen=True)
class ConnectorShape:
    """What the configuration says of a connector; `max_pos` is the length in tokens that positions are a share of."""

    heads: int
    head_dim: int
    layers: int
    max_pos: tuple[int]

    @property
    def dim(self) -> int:
        """Channels of a token: those of the stream that it informs."""
        return self.heads * self.head_dim


class FrontTokens(NamedTuple):
    """Text with its padding behind it, and which tokens are text (1)."""

    tokens: Float[Tensor, "batch text_tokens dim"]
    mask: Int[Tensor, "batch text_tokens"]


class TokensToFront(nn.Module):
    """Moves the text in front of its padding, in its own order.

    Release 1.0.0 takes the text out and turns the mask around, which is right for padding in front and one prompt.
    """

    def __init__(self, sorts: bool):
        super().__init__()
        self.sorts = sorts

    def forward(
        self, features: Float[Tensor, "batch text_tokens dim"], mask: Int[Tensor, "batch text_tokens"]
    ) -> FrontTokens:
        """Move; what stands in the padding afterwards differs between releases and is replaced by registers."""
        if self.sorts:
            order = torch.argsort(mask, dim=-1, descending=True, stable=True)
            return FrontTokens(features.gather(1, order.unsqueeze(-1).expand_as(features)), mask.gather(1, order))
        if features.shape[0] != 1:
            raise InputError("connector", f"{features.shape[0]} prompts", "one under this release", "pass one by one")
        text = features[:, mask[0].bool()]
        return FrontTokens(nn.functional.pad(text, (0, 0, 0, mask.shape[1] - text.shape[1])), mask.flip(1))


class RegisterFill(nn.Module):
    """Puts learnt registers where the padding is: position p takes register p modulo their number."""

    def __init__(self, dim: int):
        super().__init__()
        self.registers = nn.Parameter(torch.empty(REGISTERS, dim))

    def forward(
        self, tokens: Float[Tensor, "batch text_tokens dim"], mask: Int[Tensor, "batch text_tokens"]
    ) -> Float[Tensor, "batch text_tokens dim"]:
        """Fill; InputError for a length that is not a multiple of the number of registers."""
        length = tokens.shape[1]
        if length % REGISTERS:
            raise InputError("text", f"{length} tokens", f"a multiple of {REGISTERS}", "pad the prompt to one")
        registers = self.registers.repeat(length // REGISTERS, 1)
        keep = mask.to(tokens.dtype).unsqueeze(-1)
        # Weighed, not chosen: a sum turns -0 into 0, as the reference's does.
        return keep * tokens + (1 - keep) * registers


class TokenPositions(nn.Module):
    """The number of each token, as a position that begins and ends there."""

    def forward(self, x: Float[Tensor, "batch text_tokens dim"]) -> Float[Tensor, "batch 1 text_tokens 2"]:
        """Count from 0 in float32, whatever the dtype of the tokens."""
        numbers = torch.arange(x.shape[1], dtype=torch.float32, device=x.device)
        return numbers[None, None, :, None].expand(x.shape[0], -1, -1, 2)


class FullAttention(nn.Module):
    """The bias of a text without padding: registers are attended to like words."""

    def forward(self, x: Float[Tensor, "batch text_tokens dim"]) -> Float[Tensor, "batch 1 1 text_tokens"]:
        """Give zeros, and not nothing: the reference attends with a mask, which chooses the kernel."""
        return x.new_zeros(x.shape[0], 1, 1, x.shape[1])


class Residual(nn.Module):
    """Adds what a sub-layer gives."""

    def forward(
        self, x: Float[Tensor, "batch text_tokens dim"], update: Float[Tensor, "batch text_tokens dim"]
    ) -> Float[Tensor, "batch text_tokens dim"]:
        """Give the sum in the tokens' dtype."""
        return update + x


class ConnectorBlock(nn.Module):
    """Self-attention and feed-forward, each behind a norm without weight and added to the text."""

    def __init__(self, shape: ConnectorShape):
        super().__init__()
        self.attn_norm = TokenNorm(EPS)
        self.attn = Attention(AttentionShape(shape.dim, shape.dim, shape.heads, shape.head_dim, rotary=True), EPS)
        self.attn_residual = Residual()
        self.ff_norm = TokenNorm(EPS)
        self.ff = FeedForward(shape.dim)
        self.ff_residual = Residual()

    def forward(
        self,
        x: Float[Tensor, "batch text_tokens dim"],
        bias: Float[Tensor, "batch 1 1 text_tokens"],
        rope: RotaryTable,
    ) -> Float[Tensor, "batch text_tokens dim"]:
        """Give the text after the block."""
        normed = self.attn_norm(x)
        x = self.attn_residual(x, self.attn(normed, normed, bias=bias, rope=(rope, rope)))
        return self.ff_residual(x, self.ff(self.ff_norm(x)))


class Connector(nn.Module):
    """From the text features of a stream to the context that its cross-attention reads."""

    def __init__(self, shape: ConnectorShape, release: Release):
        super().__init__()
        self.shape, self.release = shape, release
        self.front = TokensToFront(release.text_sorted_to_front)
        self.fill = RegisterFill(shape.dim)
        self.positions = TokenPositions()
        self.rope = RotaryEmbedding(shape.dim, shape.heads, ROPE_THETA, shape.max_pos)
        self.full_attention = FullAttention()
        self.blocks = nn.ModuleList(ConnectorBlock(shape) for _ in range(shape.layers))
        self.norm = TokenNorm(EPS)
        self.set_attention_backend(AttentionBackend.AUTO)

    def set_attention_backend(self, backend: AttentionBackend) -> None:
        """Choose the kernel of every attention; only AUTO follows the reference to the bit."""
        for module in self.modules():
            if isinstance(module, AttentionKernel):
                module.kernels = kernels_for(backend, self.release)

    def forward(
        self, features: Float[Tensor, "batch text_tokens dim"], mask: Int[Tensor, "batch text_tokens"]
    ) -> tuple[Float[Tensor, "batch text_tokens dim"], Float[Tensor, "batch 1 1 text_tokens"]]:
        """Give (context, the bias that the blocks attended with); the mask is 1 for text and 0 for padding."""
        x = self.fill(*self.front(features, mask))
        bias, rope = self.full_attention(x), self.rope(self.positions(x), x.dtype)
        for block in self.blocks:
            x = block(x, bias, rope)
        return self.norm(x), bias
