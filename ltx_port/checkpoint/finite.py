"""Whether weights are numbers: checked where they are, without a copy of them."""

import torch
from jaxtyping import Float
from torch import Tensor


def all_finite(weight: Float[Tensor, "..."]) -> bool:
    """Whether no element is NaN or infinite. One reduction: `isfinite` would hold the weight once more, and masks."""
    if weight.numel() == 0:
        return True
    # A NaN anywhere becomes both ends, an infinity becomes one.
    ends = torch.stack(torch.aminmax(weight))
    return bool(torch.isfinite(ends).all())
