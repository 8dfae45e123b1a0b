"""Tensors that hypotheses are shown: random ones, drawn from a seed, and what may be planted in them."""

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor

# The same examples in every run: a hint that fails for one draw in a thousand is found once, not now and then.
FEW = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
SEEDS = st.integers(0, 10_000)
DTYPES = st.sampled_from([torch.float32, torch.bfloat16])
SHAPES = st.sampled_from([(1, 12, 32), (2, 5, 6, 8), (1, 8, 4, 6, 6), (40, 24), (512,)])


def draw(seed: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def longest(shape: tuple[int, ...]) -> int:
    return max(range(len(shape)), key=lambda axis: shape[axis])
