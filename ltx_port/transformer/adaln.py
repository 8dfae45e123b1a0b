"""Timestep embeddings and the projection that turns them into modulation (adaLN-single, PixArt-alpha)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

SINUSOID_CHANNELS = 256
MAX_PERIOD = 10_000


class SinusoidalTimestep(nn.Module):
    """Embeds scaled timesteps as 128 cosines followed by 128 sines, always computed in float32."""

    def forward(self, timestep: Float[Tensor, " count"]) -> Float[Tensor, "count 256"]:
        """Embed timesteps in units of the schedule (sigma times 1000)."""
        half = SINUSOID_CHANNELS // 2
        exponent = -math.log(MAX_PERIOD) * torch.arange(half, dtype=torch.float32, device=timestep.device)
        frequencies = torch.exp(exponent / half)
        # float32 whatever the model's dtype: at 1000 a bfloat16 angle would be off by whole radians.
        angle = timestep[:, None].float() * frequencies[None, :]
        return torch.cat([torch.cos(angle), torch.sin(angle)], dim=-1)


class AdaLNSingle(nn.Module):
    """Maps timesteps to `rows` modulation vectors of width `dim`, and to the embedding they come from."""

    def __init__(self, dim: int, rows: int):
        super().__init__()
        self.sinusoid = SinusoidalTimestep()
        self.linear_in = nn.Linear(SINUSOID_CHANNELS, dim)
        self.activation_in = nn.SiLU()
        self.linear_out = nn.Linear(dim, dim)
        self.activation_out = nn.SiLU()
        self.projection = nn.Linear(dim, rows * dim)

    def forward(
        self, timestep: Float[Tensor, " count"], dtype: torch.dtype
    ) -> tuple[Float[Tensor, "count rows_dim"], Float[Tensor, "count dim"]]:
        """Give (modulation rows side by side, embedding), both in `dtype`, the dtype of the latents."""
        embedding = self.sinusoid(timestep).to(dtype)
        embedding = self.linear_out(self.activation_in(self.linear_in(embedding)))
        return self.projection(self.activation_out(embedding)), embedding


class TimestepScale(nn.Module):
    """Scales sigmas to the units of the schedule and flattens them to one list."""

    def __init__(self, multiplier: float):
        super().__init__()
        self.multiplier = multiplier

    def forward(self, sigma: Float[Tensor, "*axes"]) -> Float[Tensor, " count"]:
        """Multiply in the dtype of the sigmas (float32), then flatten."""
        return (sigma * self.multiplier).flatten()
