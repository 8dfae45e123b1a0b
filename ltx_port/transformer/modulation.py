"""Modulation of a stream by its timestep: learnt rows plus a projected embedding, applied around a sub-layer."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ScaleShift(NamedTuple):
    """An affine change of normed tokens: `x * (1 + scale) + shift`."""

    scale: Float[Tensor, "batch #tokens dim"]
    shift: Float[Tensor, "batch #tokens dim"]


class Modulation(NamedTuple):
    """A scale and shift before a sub-layer, and a gate on what it gives."""

    shift: Float[Tensor, "batch #tokens dim"]
    scale: Float[Tensor, "batch #tokens dim"]
    gate: Float[Tensor, "batch #tokens dim"]


class TableRows(nn.Module):
    """Adds some rows of a learnt table to the same rows of a projected timestep embedding.

    `first` and `count` choose rows of the embedding, which has `embedded_rows` of them; the table's rows
    start `offset` later (the gate row of an AV table has an embedding of its own).
    """

    def __init__(self, first: int, count: int, embedded_rows: int, offset: int = 0):
        super().__init__()
        self.first, self.count, self.embedded_rows, self.offset = first, count, embedded_rows, offset

    def forward(
        self, table: Float[Tensor, "rows dim"], embedding: Float[Tensor, "batch #tokens rows_dim"]
    ) -> tuple[Float[Tensor, "batch #tokens dim"], ...]:
        """Give the chosen rows, each of shape (batch, tokens, dim), in the embedding's dtype."""
        batch, tokens, _ = embedding.shape
        rows = embedding.reshape(batch, tokens, self.embedded_rows, -1)
        rows = rows[:, :, self.first : self.first + self.count]
        start = self.first + self.offset
        # The table may be stored wider than the model runs; the sum is taken in the embedding's dtype.
        learnt = table[start : start + self.count].to(embedding.dtype)
        return torch.unbind(learnt[None, None] + rows, dim=2)


class StreamModulation(nn.Module):
    """The nine rows of one stream: (shift, scale, gate) for self-attention, feed-forward and text queries."""

    ROWS = 9

    def __init__(self, dim: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(self.ROWS, dim))
        self.self_attn = TableRows(0, 3, self.ROWS)
        self.feed_forward = TableRows(3, 3, self.ROWS)
        self.text_cross = TableRows(6, 3, self.ROWS)


class PromptModulation(nn.Module):
    """The two rows (shift, scale) that modulate the text tokens before they become keys and values."""

    ROWS = 2

    def __init__(self, dim: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(self.ROWS, dim))
        self.rows = TableRows(0, 2, self.ROWS)

    def forward(self, embedding: Float[Tensor, "batch 1 rows_dim"]) -> ScaleShift:
        """Give the rows by name; the table holds shift first."""
        shift, scale = self.rows(self.table, embedding)
        return ScaleShift(scale=scale, shift=shift)


class AVCrossModulation(nn.Module):
    """The five rows of one stream in audio-video cross-attention.

    Rows 0 and 1 are (scale, shift) when audio informs video, rows 2 and 3 when video informs audio, row 4 is
    the gate on what this stream receives. Scale comes before shift here, unlike in every other table.
    """

    SCALE_SHIFT_ROWS = 4

    def __init__(self, dim: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(self.SCALE_SHIFT_ROWS + 1, dim))
        self.audio_to_video = TableRows(0, 2, self.SCALE_SHIFT_ROWS)
        self.video_to_audio = TableRows(2, 2, self.SCALE_SHIFT_ROWS)
        self.gate = TableRows(0, 1, 1, offset=self.SCALE_SHIFT_ROWS)


class Modulate(nn.Module):
    """Scales and shifts tokens: `x * (1 + scale) + shift`, in the tokens' dtype."""

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        scale: Float[Tensor, "batch #tokens dim"],
        shift: Float[Tensor, "batch #tokens dim"],
    ) -> Float[Tensor, "batch tokens dim"]:
        """Modulate; scale and shift broadcast over tokens when one sigma rules the sample."""
        return x * (1 + scale) + shift


class GatedResidual(nn.Module):
    """Adds what a sub-layer gives to the stream, through its gate."""

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        update: Float[Tensor, "batch tokens dim"],
        gate: Float[Tensor, "batch #tokens dim"],
        keep_mask: Float[Tensor, "batch 1 1"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Give `x + update * gate`; `keep_mask` silences the update in the samples that skip it."""
        gated = update * gate
        return x + (gated if keep_mask is None else gated * keep_mask)


class TokenNorm(nn.Module):
    """Root-mean-square norm of each token without a learnt weight."""

    def __init__(self, eps: float):
        super().__init__()
        self.eps = eps

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Norm over the last axis."""
        return nn.functional.rms_norm(x, (x.shape[-1],), eps=self.eps)
