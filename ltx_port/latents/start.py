"""What a stream starts from, before conditions and noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.latents.geometry import AudioGrid, VideoGrid


@dataclass(frozen=True)
class Start:
    """A latent in its grid, the clean latent beside it, and a mask of ones in float32."""

    latent: Float[Tensor, "batch channels *grid"]
    clean: Float[Tensor, "batch channels *grid"]
    mask: Float[Tensor, "batch 1 *mask_grid"]


class StartLatent(nn.Module):
    """Begins from zeros, or from the latent of an earlier stage."""

    def forward(
        self,
        grid: VideoGrid | AudioGrid,
        initial: Float[Tensor, "batch channels *grid"] | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Start:
        """Give the start; InputError where `initial` is not of the grid's shape, or not in the working `dtype`."""
        if initial is None:
            initial = torch.zeros(grid.shape, dtype=dtype, device=device)
        for what, got, expected in (("shape", tuple(initial.shape), grid.shape), ("dtype", initial.dtype, dtype)):
            if got != expected:
                raise InputError("initial latent", f"{what} {got}", f"{expected}", "give the latent of this clip")
        mask = torch.ones(grid.mask_shape, dtype=torch.float32, device=device)
        return Start(initial, initial.clone(), mask)
