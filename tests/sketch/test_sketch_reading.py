"""One read of a tensor: what is defined element by element is what the vectorised reader gives, and no bit hides."""

import numpy as np
import pytest
import torch

from parity.sketch.layout import RUNS, element_positions, layout
from parity.sketch.plain import read_plain
from parity.sketch.read import channel_blocks
from parity.sketch.recipe import (
    BUCKETS,
    ELEMENT_STEP,
    HIGH_STEP,
    LOW_STEP,
    RUN_STEP,
    THIRD_STEP,
    WORD,
    Recipe,
    mix32,
    scattered,
)

RECIPE = Recipe(seed=7, elements=16)
CPU = torch.device("cpu")
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
          torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8,
          torch.bool]  # fmt: skip


def drawn(size, dtype, seed=0):
    values = torch.randn(size, generator=torch.Generator().manual_seed(seed)) * 20
    return values.to(torch.int32).to(dtype) if not dtype.is_floating_point else values.to(dtype)


def placed(index, lanes=64, seeds=RECIPE.seeds):
    """The bucket, the sign and the weight of an element or word, in whole numbers as the definition says them."""
    chunk, lane = divmod(index, lanes)
    run, slot = divmod(chunk, 24)
    group = (slot + mix32((run * RUN_STEP + seeds.group) & WORD) % 24) % 24
    low, high, third = (
        mix32((chunk * step + seed) & WORD)
        for step, seed in ((LOW_STEP, seeds.low), (HIGH_STEP, seeds.high), (THIRD_STEP, seeds.third))
    )
    other = lane ^ third >> {64: 26, 32: 27, 16: 28}[lanes]
    minus = (low if other < 32 else high) >> (other // 2 % 16 + 16 * (lane % 2)) & 1
    return group * 64 + other, -1.0 if minus else 1.0, third | 1


def by_definition(tensor):
    values = [float(v) if np.isfinite(float(v)) else 0.0 for v in tensor.flatten().double().tolist()]
    raw = tensor.flatten().view(torch.uint8).numpy().tobytes()
    words = np.frombuffer(raw + bytes(-len(raw) % 4), dtype="<u4").tolist()
    lanes = {1: 16, 2: 32, 4: 64, 8: 64}[tensor.element_size()]
    buckets, checks = [0.0] * BUCKETS, [0] * BUCKETS
    for index, value in enumerate(values):
        bucket, sign, _ = placed(index)
        buckets[bucket] += sign * value
    for index, word in enumerate(words):
        bucket, _, weight = placed(index, lanes)
        checks[bucket] = (checks[bucket] + weight * scattered(word)) & WORD
    return buckets, checks


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_read_is_what_is_defined_element_by_element(dtype):
    tensor = drawn(3 * BUCKETS + 131, dtype)
    buckets, checks = by_definition(tensor)
    found = read_plain(tensor, RECIPE)
    assert found.checks.flatten().tolist() == checks
    assert found.buckets.flatten().tolist() == pytest.approx(buckets, rel=1e-12, abs=1e-9)
    assert found.elements.dtype == dtype
    assert found.elements.numel() == RECIPE.elements


def test_mixing_is_murmur3_s_finaliser_on_numbers_and_on_tensors():
    """The known values of fmix32."""
    known = {0: 0, 1: 0x514E28B7, 0xFFFFFFFF: 0x81F16F39, 0xDEADBEEF: 0x0DE5C6A9}
    assert {number: mix32(number) for number in known} == known
    assert mix32(torch.tensor(list(known))).tolist() == list(known.values())


def test_a_piece_behind_the_first_is_laid_out_as_the_definition_says():
    tensor = torch.zeros((RUNS + 1) * BUCKETS)
    index = RUNS * BUCKETS + 777
    tensor[index] = 3.0
    bucket, sign, weight = placed(index)
    found = read_plain(tensor, RECIPE)
    assert found.buckets.flatten().nonzero().tolist() == [[bucket]] == found.checks.flatten().nonzero().tolist()
    assert float(found.buckets.flatten()[bucket]) == 3.0 * sign
    assert int(found.checks.flatten()[bucket]) == (weight * scattered(0x40400000)) & WORD


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_single_changed_bit_changes_the_checks(dtype):
    tensor = drawn(200, dtype)
    before = read_plain(tensor, RECIPE).checks
    raw = tensor.view(torch.uint8)
    for index in range(0, raw.numel(), 7):
        for bit in range(1 if dtype == torch.bool else 8):
            raw[index] ^= 1 << bit
            assert not torch.equal(read_plain(tensor, RECIPE).checks, before), (index, bit)
            raw[index] ^= 1 << bit


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_a_negated_tensor_has_other_checks_in_all_buckets(dtype):
    """Signs are the highest bits, whose differences would cancel in pairs under any odd weights."""
    tensor = drawn(4 * BUCKETS, dtype).abs() + 1
    checks = read_plain(tensor, RECIPE).checks
    same = (checks == read_plain(-tensor, RECIPE).checks) & (checks != 0)
    # The low words of float64 have no signs: a bucket may hold no others.
    assert int(same.sum()) < BUCKETS // 20
    assert int((checks != 0).sum()) >= BUCKETS // 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_two_signs_turned_in_one_bucket_do_not_cancel(dtype):
    tensor, where = torch.ones(40 * BUCKETS, dtype=dtype), layout(0, RECIPE.seeds, CPU)
    before = read_plain(tensor, RECIPE).checks
    for bucket in range(0, BUCKETS, 97):
        other = tensor.clone()
        other[where.source[[0, 30], bucket]] = -1
        assert int((read_plain(other, RECIPE).checks != before).sum()) == 1


def test_every_bucket_of_a_run_takes_one_element():
    where = layout(0, RECIPE.seeds, CPU)
    for run in range(3):
        assert sorted((where.source[run] - run * BUCKETS).tolist()) == list(range(BUCKETS))


def test_what_is_not_finite_is_counted_by_kind_and_adds_nothing():
    clean = drawn(500, torch.float32)
    tensor = clean.clone()
    tensor[[3, 70]], tensor[200], tensor[[5, 6, 7]] = torch.nan, torch.inf, -torch.inf
    clean[[3, 70, 200, 5, 6, 7]] = 0.0
    found, without = read_plain(tensor, RECIPE), read_plain(clean, RECIPE)
    assert found.nonfinite.tolist() == [2, 1, 3]
    assert torch.equal(found.buckets, without.buckets)
    assert torch.equal(found.positions, without.positions)
    assert found.largest == without.largest
    assert int(found.exponents[255]) == 6


def test_squares_are_summed_by_positions_and_by_channels():
    tensor = drawn((40, 6, 192), torch.bfloat16)
    found, squares = read_plain(tensor, RECIPE), tensor.double().square()
    assert found.channels.tolist() == pytest.approx(squares.view(-1, 3, 64).sum(dim=(0, 2)).tolist())
    chunks, each = squares.view(-1, 64).sum(dim=1).split(-(-40 * 6 * 3 // 32)), found.positions
    assert each.tolist() == pytest.approx([*(float(part.sum()) for part in chunks), *([0.0] * (32 - len(chunks)))])
    assert found.largest == tensor.abs().max()


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [((64,), 0), ((3, 64), 1), ((3, 60), 0), ((0, 64), 0), ((2, 32768), 512), ((2, 32832), 0), ((), 0)],
)
def test_channels_are_told_apart_where_they_come_in_blocks_of_64(shape, blocks):
    assert channel_blocks(shape) == blocks == read_plain(torch.zeros(shape), RECIPE).channels.numel()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int32], ids=str)
def test_exponents_are_those_of_float32(dtype):
    tensor = torch.tensor([0, 1, 2, 3, 64, -128]).to(dtype)
    found = read_plain(tensor, RECIPE).exponents
    assert {at: int(found[at]) for at in found.nonzero().flatten().tolist()} == {0: 1, 127: 1, 128: 2, 133: 1, 134: 1}


def test_float64_exponents_beyond_float32_count_at_its_ends():
    found = read_plain(torch.tensor([1e-300, 1e300, 2.0 - 1e-12], dtype=torch.float64), RECIPE).exponents
    assert (int(found[0]), int(found[254]), int(found[127])) == (1, 1, 1)


def test_elements_are_the_same_on_both_sides_and_nested():
    more = Recipe(RECIPE.seed, 64)
    few, many = element_positions(10_000, RECIPE, CPU), element_positions(10_000, more, CPU)
    assert torch.equal(few, many[:16])
    (first,) = (mix32((5 * ELEMENT_STEP + RECIPE.seeds.element) & WORD),)
    assert int(many[5]) == (first * 10_000) >> 32
    assert element_positions(10, RECIPE, CPU).tolist() == list(range(10))


@pytest.mark.parametrize("size", [5000, 100_000, 2**31 - 1, 2**31 + 5, 2**40])
def test_elements_are_spread_evenly(size):
    at = element_positions(size, Recipe(3, 4096), CPU)
    assert int(at.min()) >= 0
    assert int(at.max()) < size
    counts = torch.histc((at.double() / size), bins=16, min=0, max=1)
    assert float(((counts - 256).square() / 256).sum()) < 40  # chi-square of 15 degrees: 1 in 2,000


def test_any_layout_is_read_in_row_major_order():
    tensor = drawn((30, 64), torch.float32)
    turned = tensor.t().contiguous().t()
    assert all(torch.equal(a, b) for a, b in zip(read_plain(tensor, RECIPE), read_plain(turned, RECIPE), strict=True))
    lone = torch.zeros(9)[::4][:1]
    assert int(read_plain(lone, RECIPE).exponents[0]) == 1


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 64)])
def test_nothing_and_one_element_are_read(shape):
    found = read_plain(torch.ones(shape), RECIPE)
    assert float(found.positions.sum()) == found.elements.numel() == (1 if shape == () else 0)
