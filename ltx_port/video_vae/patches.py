"""Pixels to channels and back: the first and the last step of the autoencoder."""

from jaxtyping import Float
from torch import Tensor, nn


class Patchify(nn.Module):
    """Moves each square of `size` x `size` pixels into channels.

    The channel of a pixel is `(colour * size + column in the square) * size + row in the square`: columns come
    before rows.
    """

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(
        self, pixels: Float[Tensor, "batch colours frames height width"]
    ) -> Float[Tensor, "batch channels frames patch_rows patch_columns"]:
        """Give the patches."""
        squares = pixels.unflatten(4, (-1, self.size)).unflatten(3, (-1, self.size))
        # batch, colours, frames, patch rows, row, patch columns, column
        return squares.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)


class Unpatchify(nn.Module):
    """Moves channels back into squares of `size` x `size` pixels: the inverse of `Patchify`."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(
        self, patches: Float[Tensor, "batch channels frames patch_rows patch_columns"]
    ) -> Float[Tensor, "batch colours frames height width"]:
        """Give the pixels."""
        squares = patches.unflatten(1, (-1, self.size, self.size))
        # batch, colours, column, row, frames, patch rows, patch columns
        return squares.permute(0, 1, 4, 5, 3, 6, 2).flatten(5, 6).flatten(3, 4)
