"""Masks as the additive bias that attention takes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class SelfAttentionBias(nn.Module):
    """Turns weights in [0, 1] between tokens into a bias: their logarithm, or the most negative number for 0."""

    def forward(
        self, mask: Float[Tensor, "batch tokens tokens"], dtype: torch.dtype
    ) -> Float[Tensor, "batch 1 tokens tokens"]:
        """Take the logarithm in the mask's own dtype and round to `dtype`, the dtype of the latents."""
        limits = torch.finfo(dtype)
        bias = torch.log(mask.clamp(min=limits.tiny)).to(dtype)
        blocked = torch.full_like(bias, limits.min)
        return torch.where(mask > 0, bias, blocked).unsqueeze(1)


class ContextBias(nn.Module):
    """Turns an integer mask of text tokens (1 = attend) into a bias; a floating mask is a bias already."""

    def forward(
        self,
        mask: Int[Tensor, "batch text_tokens"] | Float[Tensor, "batch 1 #tokens text_tokens"],
        dtype: torch.dtype,
    ) -> Float[Tensor, "batch 1 #tokens text_tokens"]:
        """Give 0 where text is attended to and the most negative number where it is not."""
        if mask.is_floating_point():
            return mask
        return (mask - 1).to(dtype)[:, None, None, :] * torch.finfo(dtype).max
