"""A tensor against its own bits: the short way gives what the long way gives."""

import pytest
import torch

from parity.metrics import CompareOptions, compare, compare_equal
from parity.metrics.exactness import SUPPORTED

OPTIONS = CompareOptions(name="equal")
TENSORS = {
    "plain": torch.linspace(-3, 3, 70).view(2, 5, 7),
    "several tiles": torch.linspace(-1, 1, 60_000, dtype=torch.float64),
    "strided": torch.arange(60_000.0).view(200, 300).t(),
    "one element": torch.tensor(0.1),
    "zeros": torch.zeros(3, 4),
    "negative zeros": -torch.zeros(3),
    "tiny": torch.full((4,), 1e-300, dtype=torch.float64),
    "huge": torch.full((4,), 1e300, dtype=torch.float64),
    "empty": torch.zeros(0, 3),
    "nan": torch.tensor([1.0, float("nan")]),
    "infinities": torch.tensor([float("inf"), -float("inf"), 2.0]),
}


@pytest.mark.parametrize("name", TENSORS)
def test_the_short_way_gives_what_the_long_way_gives(name: str) -> None:
    tensor = TENSORS[name]
    assert repr(compare_equal(tensor, OPTIONS)) == repr(compare(tensor, tensor, OPTIONS))


@pytest.mark.parametrize("dtype", sorted(SUPPORTED, key=str), ids=str)
def test_in_every_dtype(dtype: torch.dtype) -> None:
    tensor = (torch.arange(30) % 7).view(5, 6).to(dtype)
    assert compare_equal(tensor, OPTIONS) == compare(tensor, tensor, OPTIONS)
