"""The output head of a stream: from its last tokens to velocities."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.transformer.modulation import Modulate, ScaleShift


class HeadModulation(nn.Module):
    """A learnt shift and scale plus the stream's embedded timestep, the same one for both."""

    def __init__(self, dim: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(2, dim))

    def forward(self, embedded_timestep: Float[Tensor, "batch tokens dim"]) -> ScaleShift:
        """Give the rows by name; the table holds shift first."""
        table = self.table.to(embedded_timestep.dtype)
        return ScaleShift(shift=table[0] + embedded_timestep, scale=table[1] + embedded_timestep)


class OutputHead(nn.Module):
    """Norms (with mean), modulates and projects the tokens to latent channels."""

    def __init__(self, dim: int, out_channels: int, eps: float):
        super().__init__()
        self.modulation = HeadModulation(dim)
        self.norm = nn.LayerNorm(dim, eps=eps, elementwise_affine=False)
        self.modulate = Modulate()
        self.projection = nn.Linear(dim, out_channels)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], embedded_timestep: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens channels"]:
        """Give the velocity of each token."""
        scale, shift = self.modulation(embedded_timestep)
        return self.projection(self.modulate(self.norm(x), scale, shift))
