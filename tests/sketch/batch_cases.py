"""Tensors that are read in batches, and what is held of a read."""

import torch

from parity.sketch.recipe import Recipe

RECIPE = Recipe(seed=7, elements=250)
SHAPES = [(3, 5), (1,), (1, 7), (37, 192), (501, 33), (501, 4096), (64 * 1536 + 1,), (2, 3000, 2048)]
EXACT = ("checks", "exponents", "nonfinite", "largest", "elements")


def drawn(shape, dtype, seed=0):
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3).to(dtype)


def scattered(dtype):
    exponents = torch.randint(-24, 14, (300, 128), generator=torch.Generator().manual_seed(1))
    return torch.exp2(exponents.double()).to(dtype)


def a_batch(shapes, dtype):
    """Give tensors of those shapes, and of every layout that a tap may have."""
    tensors = [drawn(shape, dtype, seed) for seed, shape in enumerate(shapes)]
    tensors += [drawn((37, 192), dtype).t(), drawn((51, 256), dtype)[:, 1:130], drawn((3, 5), dtype)[:0]]
    tensors += [drawn((3000,), dtype)[1 : 1 + 64 * 30]]
    # Rows with something between them, of 2 ** n blocks of 64 and of another number, and numbers near and far from 0.
    return [
        *tensors,
        drawn((2, 25, 512), dtype)[:, :, 128:256],
        drawn((1, 40, 384), dtype)[..., :192],
        scattered(dtype),
    ]


def require_alike(found, expected):
    for name in EXACT:
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    for name in ("positions", "channels"):
        assert torch.allclose(getattr(found, name), getattr(expected, name), rtol=1e-5), name
    assert (found.buckets - expected.buckets).norm() <= 1e-6 * expected.buckets.norm()
