"""Other ways to compute: as right as torch's own, different from it, and gone when the block ends."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import sdpa_kernel

from parity.calibrate.arithmetic import (
    FAMILIES,
    KERNELS,
    attention_kernel,
    kernels_here,
    split_products,
    threads,
    wider,
)

EPSILON = torch.finfo(torch.float32).eps


def draws(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3)).to(dtype)


def error(found, exact):
    return float((found.double() - exact).norm() / exact.norm())


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_a_split_product_is_as_near_to_the_exact_one_and_another(share):
    x, weight, bias = draws(8, 64), draws(32, 64), draws(32)
    exact = F.linear(x.double(), weight.double(), bias.double())
    plain = F.linear(x, weight, bias)
    with split_products(share):
        split = F.linear(x, weight, bias)
    assert not torch.equal(split, plain)
    assert error(split, exact) < 3 * error(plain, exact) < 100 * EPSILON


def test_a_split_product_of_half_precision_is_rounded_once():
    x, weight = draws(8, 64, dtype=torch.bfloat16), draws(32, 64, dtype=torch.bfloat16)
    exact = F.linear(x.double(), weight.double())
    with split_products(0.5):
        split = torch.nn.Linear(64, 32, bias=False, dtype=torch.bfloat16)
        split.weight.data = weight
        found = split(x)
    assert found.dtype is torch.bfloat16
    # Sums in float32, one rounding: the bits of the exact product nearly everywhere.
    assert (found == exact.bfloat16()).float().mean() > 0.99


def test_what_cannot_be_split_is_left_alone():
    x, weight = draws(3, 1), draws(2, 1)
    with split_products(0.5):
        assert torch.equal(F.linear(x, weight), x @ weight.T)


@pytest.mark.parametrize(
    ("family", "compute"),
    [
        ("products", lambda x: x @ x.T),
        ("products", lambda x: F.conv1d(x[None], x[:4, :24].reshape(4, 8, 3))),
        ("attention", lambda x: F.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None])),
        ("norms", lambda x: F.layer_norm(x, (32,))),
        ("norms", lambda x: x.softmax(-1)),
        ("functions", lambda x: x.exp()),
        ("functions", lambda x: F.silu(x)),
    ],
)
def test_a_wider_operation_is_rounded_once(family, compute):
    x = draws(8, 32)
    exact = compute(x.double())
    with wider(family):
        found = compute(x)
    assert found.dtype is torch.float32
    assert torch.equal(found, exact.float())
    others = sorted(FAMILIES.keys() - {family})
    with wider(*others):
        assert torch.equal(compute(x), compute(x))
    assert not torch.equal(compute(x), found), "the control must differ, or it controls nothing"


def test_a_wider_operation_leaves_other_dtypes_and_asked_ones_alone():
    with wider(*FAMILIES):
        assert torch.arange(4).sum().dtype is torch.int64
        assert draws(4, 4).double().exp().dtype is torch.float64
        assert draws(4, 4).bfloat16().softmax(-1, dtype=torch.float32).dtype is torch.float32
        assert (draws(4, 4).bfloat16() @ draws(4, 4).bfloat16()).dtype is torch.bfloat16


@pytest.mark.parametrize(
    "context",
    [lambda: split_products(0.5), lambda: threads(3), lambda: wider(*FAMILIES), lambda: attention_kernel("math")],
)
def test_nothing_is_left_when_the_block_ends_even_by_an_error(context):
    def state():
        x = draws(8, 32)
        enabled = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
        return F.linear, torch.get_num_threads(), enabled, F.linear(x, x).sum().item(), x.exp().sum().item()

    def fails():
        with context():
            raise KeyError

    before = state()
    with pytest.raises(KeyError):
        fails()
    assert state() == before


def test_the_kernels_that_are_named_run_alone():
    found = kernels_here(torch.device("cpu"))
    assert "math" in found
    x = draws(1, 1, 4, 8)
    for name, backend in KERNELS.items():
        with nullcontext() if name in found else pytest.raises(RuntimeError), sdpa_kernel([backend]):
            F.scaled_dot_product_attention(x, x, x)
