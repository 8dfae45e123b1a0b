"""The generator: the same numbers on any machine, device and chunking, and random enough."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parity.ltx23.synthetic.heavy import row_gains
from parity.ltx23.synthetic.weights import normal_like, random_bits

# (seed, key, element, its 64 bits, its value); recorded from random_bits and normal_like at GENERATOR_VERSION 1
# on torch 2.13.0, x86-64. A change here makes every checkpoint written before another checkpoint.
GOLDEN = [
    (0, "", 0, 4974933931128761873, "-0x1.7c28780000000p-2"),
    (0, "a", 0, -3713440304044262094, "0x1.0428d20000000p+0"),
    (0, "a", 1, 14260731719437679, "-0x1.4c17fa0000000p-2"),
    (0, "a", 2, -8770506357218018153, "0x1.e426160000000p+0"),
    (1, "a", 0, -2390714091231167233, "-0x1.e051c00000000p-4"),
    (-1, "a", 0, 2523001394959578831, "-0x1.2ca5680000000p-2"),
    (9223372036854775808, "a", 5, -5203810409877367505, "0x1.9ed3800000000p-1"),
    (10, "model.diffusion_model.proj_out.weight", 0, -6216658309112646390, "0x1.4db4360000000p-1"),
    (10, "model.diffusion_model.proj_out.weight", 524287, -2271390121874828879, "0x1.c99eb80000000p+0"),
    (10, "Привет", 2147483648, 7818964661211493082, "0x1.32cf4e0000000p+0"),
    (7, "a", 1099511627776, -3754007253410621423, "0x1.ddd45a0000000p-3"),
]
MILLION = 1 << 20


def _plain(seed: int, key: str, index: int) -> int:
    """SplitMix64 in Python's integers, which have no sign and no width."""
    word = 2**64 - 1
    origin = int.from_bytes(hashlib.sha256(f"1\0{seed}\0{key}".encode()).digest()[:8], "little")
    state = (origin + index * 0x9E3779B97F4A7C15) & word
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & word
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & word
    return state ^ (state >> 31)


@pytest.mark.parametrize(("seed", "key", "index", "bits", "value"), GOLDEN)
def test_the_numbers_are_those_that_were_recorded(seed, key, index, bits, value):
    assert random_bits(seed, key, index, index + 1, "cpu").item() == bits
    assert normal_like(seed, key, index, index + 1, "cpu").item() == float.fromhex(value)


@given(st.integers(), st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**48))
def test_the_bits_are_those_of_unsigned_64_bit_arithmetic(seed, key, index):
    assert random_bits(seed, key, index, index + 1, "cpu").item() % 2**64 == _plain(seed, key, index)


@given(st.integers(), st.integers(0, 2**40))
def test_a_value_is_the_centred_sum_of_the_four_fields(seed, index):
    bits = _plain(seed, "k", index)
    total = sum(bits >> 16 * field & 0xFFFF for field in range(4)) - 131070
    value = normal_like(seed, "k", index, index + 1, "cpu")
    assert value.dtype is torch.float32
    scale = torch.tensor(1 / ((65536**2 - 1) / 3) ** 0.5, dtype=torch.float32)
    assert value.item() == (torch.tensor(float(total)) * scale).item()


@given(st.integers(0, 70_000), st.lists(st.integers(0, 70_000), max_size=6))
def test_the_numbers_do_not_depend_on_the_chunking(start, lengths):
    stop = start + sum(lengths)
    pieces, low = [], start
    for length in lengths:
        pieces.append(normal_like(3, "k", low, low + length, "cpu"))
        low += length
    together = torch.cat(pieces) if pieces else torch.empty(0)
    assert torch.equal(together, normal_like(3, "k", start, stop, "cpu"))


def test_the_distribution_has_the_stated_moments():
    values = normal_like(1, "statistics", 0, MILLION, "cpu").double()
    assert abs(values.mean().item()) < 4 / 1024
    assert abs(values.var().item() - 1) < 0.006
    assert abs(values.pow(4).mean().item() - 2.7) < 0.03
    assert abs(values.pow(3).mean().item()) < 0.015
    assert values.abs().max().item() <= 3.4642


@pytest.mark.parametrize("lag", [1, 2, 64, 4096])
def test_neighbours_in_a_tensor_are_independent(lag):
    values = normal_like(2, "k", 0, MILLION, "cpu").double()
    assert abs((values[lag:] * values[:-lag]).mean().item()) < 5 / 1024
    squares = values.square() - 1
    assert abs((squares[lag:] * squares[:-lag]).mean().item()) < 9 / 1024


@pytest.mark.parametrize(("left", "right"), [((0, "a"), (0, "b")), ((0, "a"), (1, "a")), ((0, "x.0.w"), (0, "x.1.w"))])
def test_other_keys_and_other_seeds_give_independent_numbers(left, right):
    one, other = (normal_like(*which, 0, MILLION, "cpu").double() for which in (left, right))
    assert abs((one * other).mean().item()) < 5 / 1024


def test_every_bit_is_set_half_of_the_time():
    bits = random_bits(5, "k", 0, MILLION, "cpu")
    for position in range(64):
        share = (bits >> position & 1).double().mean().item()
        assert abs(share - 0.5) < 5 / 2048, position


@given(st.integers(0, 100), st.integers(1, 3000))
def test_one_row_in_256_and_at_least_one_is_heavy(seed, rows):
    gains = row_gains(seed, "k", rows, "cpu")
    heavy = gains[gains != 1]
    assert gains.shape == (rows,)
    assert len(heavy) == max(1, rows // 256)
    assert heavy.min() >= 10
    assert heavy.max() < 50


def test_the_heavy_rows_differ_between_tensors():
    chosen = {
        tuple(row_gains(0, f"layer {index}", 4096, "cpu").ne(1).nonzero().flatten().tolist()) for index in range(50)
    }
    assert len(chosen) == 50


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_numbers_as_the_cpu():
    for start, stop in ((0, 3 << 20), (2**40 + 17, 2**40 + 70_001)):
        on_gpu = normal_like(11, "k", start, stop, "cuda").cpu()
        assert torch.equal(on_gpu, normal_like(11, "k", start, stop, "cpu"))
    assert torch.equal(row_gains(11, "k", 36864, "cuda").cpu(), row_gains(11, "k", 36864, "cpu"))
