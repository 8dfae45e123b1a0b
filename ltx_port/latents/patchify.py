"""Latents as tokens, and back. The patch size is 1: only axes are moved.

Where the reference gives a view of another memory format, so do these, to the stride of an axis of size 1: what reads
it may pick its kernel by that. This is why axes are permuted, with one of size 1 (the pixels of a patch) behind them,
and then reshaped.
"""

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.latents.geometry import AudioGrid, VideoGrid


class PatchifyVideo(nn.Module):
    """Makes each position of a video latent a token: frames, then rows, then columns."""

    def forward(
        self, latent: Float[Tensor, "batch channels frames rows columns"]
    ) -> Float[Tensor, "batch frames*rows*columns channels"]:
        """Give the tokens."""
        moved = latent.unsqueeze(-1).permute(0, 2, 3, 4, 1, 5)
        return moved.reshape(latent.shape[0], -1, latent.shape[1])


class UnpatchifyVideo(nn.Module):
    """Lays tokens out as a video latent."""

    def forward(
        self, tokens: Float[Tensor, "batch tokens channels"], grid: VideoGrid
    ) -> Float[Tensor, "batch channels frames rows columns"]:
        """Give the latent; the tokens must be exactly those of `grid`."""
        batch, _, channels = tokens.shape
        laid_out = tokens.reshape(batch, grid.frames, grid.rows, grid.columns, channels, 1)
        moved = laid_out.permute(0, 4, 1, 2, 3, 5)
        return moved.reshape(moved.shape[:-1])


class PatchifyAudio(nn.Module):
    """Makes each frame of an audio latent a token, its channels outside, its bins inside."""

    def forward(
        self, latent: Float[Tensor, "batch channels frames bins"]
    ) -> Float[Tensor, "batch frames channels*bins"]:
        """Give the tokens."""
        return latent.transpose(1, 2).flatten(2)


class UnpatchifyAudio(nn.Module):
    """Lays tokens out as an audio latent."""

    def forward(
        self, tokens: Float[Tensor, "batch frames width"], grid: AudioGrid
    ) -> Float[Tensor, "batch channels frames bins"]:
        """Give the latent; a mask has one channel and one bin, whatever the grid says."""
        channels = 1 if tokens.shape[2] == 1 else grid.channels
        return tokens.unflatten(2, (channels, -1)).transpose(1, 2)
