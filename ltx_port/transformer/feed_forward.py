"""The position-wise feed-forward of a stream."""

from jaxtyping import Float
from torch import Tensor, nn


class FeedForward(nn.Module):
    """Widens each token four times, applies GELU (tanh approximation) and narrows it again."""

    EXPANSION = 4

    def __init__(self, dim: int):
        super().__init__()
        self.up = nn.Linear(dim, self.EXPANSION * dim)
        self.activation = nn.GELU(approximate="tanh")
        self.down = nn.Linear(self.EXPANSION * dim, dim)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Transform each token alone."""
        return self.down(self.activation(self.up(x)))
