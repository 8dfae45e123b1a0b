"""What two sketches say of a difference: exact where it can be, otherwise an interval that holds as often as said."""

import math

import pytest
import torch
from sketch_cases import RECIPE, SUMS, generator, row, rows

from parity.errors import IncompleteError
from parity.metrics import compare
from parity.sketch.estimate import SPREAD, difference, no_difference
from parity.sketch.interval import Interval, quantile_ranks, share_interval
from parity.sketch.recipe import BUCKETS, Recipe

TOKENS, WIDTH, DRAWS, SEEDS = 24, 768, 400, 8
# 90 % less three standard deviations of a count out of 400.
LEAST = 0.9 - 3 * math.sqrt(0.9 * 0.1 / DRAWS)


def normal(random, *shape):
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def drawn(random, below):
    return int(torch.randint(below, (1,), generator=random))


def at(place, values):
    error = torch.zeros(TOKENS, WIDTH, dtype=torch.float64)
    error[place] = values
    return error


def sparse(count):
    def error(random):
        places = torch.randperm(TOKENS * WIDTH, generator=random)[:count]
        return at((places // WIDTH, places % WIDTH), normal(random, count))

    return error


def one_head(random):
    first = 64 * drawn(random, WIDTH // 64)
    return at((slice(None), slice(first, first + 64)), normal(random, TOKENS, 64))


def student_t3(random):
    return normal(random, TOKENS, WIDTH) / (normal(random, 3, TOKENS, WIDTH).square().mean(dim=0)).sqrt()


ERRORS = {
    "dense": lambda random: normal(random, TOKENS, WIDTH),
    "one channel": lambda random: at((slice(None), drawn(random, WIDTH)), normal(random, TOKENS)),
    "one token": lambda random: at(drawn(random, TOKENS), normal(random, WIDTH)),
    "one head": one_head,
    "1 element": sparse(1),
    "3 elements": sparse(3),
    "100 elements": sparse(100),
    "heavy tails": student_t3,
}


def compared(pairs, seed):
    """The exact comparison and the estimate of each pair, all sketched by one seed."""
    recipe = Recipe(seed, 64)
    found = rows([tensor for pair in pairs for tensor in pair], recipe)
    for (own, reference), left, right in zip(pairs, found[::2], found[1::2], strict=True):
        error = own.double() - reference.double()
        exact = float(error.norm() / reference.double().norm())
        yield exact, float(error.abs().max()), difference("tap", left, right, SUMS)


def coverage(make):
    norms = largest = 0
    for seed in range(SEEDS):
        random = generator(seed)
        for exact, most, found in compared([make(random) for _ in range(DRAWS // SEEDS)], seed):
            norms += found.relative_l2.low <= exact <= found.relative_l2.high
            largest += found.max_abs.low <= most <= found.max_abs.high
    return norms / DRAWS, largest / DRAWS


@pytest.mark.parametrize("kind", ERRORS)
def test_the_interval_holds_the_error_nine_times_in_ten(kind):
    reference = torch.randn(TOKENS, WIDTH, generator=generator(99))

    def make(random):
        return (reference.double() + 1e-3 * ERRORS[kind](random)).float(), reference

    norms, largest = coverage(make)
    assert norms >= LEAST
    assert largest >= LEAST


def test_the_interval_holds_what_a_shift_by_one_position_does():
    def make(random):
        reference = torch.randn(TOKENS, WIDTH, generator=random)
        return reference.roll(1, dims=0), reference

    assert min(coverage(make)) >= LEAST


def test_the_interval_holds_the_rounding_of_a_real_forward():
    """A forward of two layers in bfloat16 against the same in float32; the sketches' dtypes may differ."""

    def make(random):
        first, second, inputs = (torch.randn(*s, generator=random) for s in ((64, 256), (256, 768), (TOKENS, 64)))
        exact = torch.tanh(inputs @ first / 8) @ second / 16
        rounded = torch.tanh(inputs.bfloat16() @ first.bfloat16() / 8) @ second.bfloat16() / 16
        return rounded, exact

    assert min(coverage(make)) >= LEAST


def test_the_interval_is_within_three_per_cent_of_the_error():
    reference = torch.randn(TOKENS, WIDTH, generator=generator(3))
    own = reference + 1e-4 * torch.randn(TOKENS, WIDTH, generator=generator(4))
    ((_, _, found),) = compared([(own, reference)], 1)
    low, high = found.relative_l2.low, found.relative_l2.high
    assert (high - low) / (2 * found.relative_l2.estimate) == pytest.approx(SPREAD, rel=0.12)
    assert SPREAD < 0.03


def test_small_errors_are_bounded_by_the_rounding_of_the_buckets():
    """Below 2e-7 of the tensor nothing is seen but the digest, and the interval says so."""
    reference = torch.randn(TOKENS, WIDTH, generator=generator(3), dtype=torch.float64)
    for size in (1e-6, 1e-7, 1e-8, 1e-12):
        own = reference + size * torch.randn(TOKENS, WIDTH, generator=generator(4), dtype=torch.float64)
        ((exact, _, found),) = compared([(own, reference)], 1)
        assert found.relative_l2.low <= exact <= found.relative_l2.high
        assert found.relative_l2.high < exact * 1.1 + 3e-7
    assert found.relative_l2.low == 0.0


@pytest.mark.parametrize("sums", [("float32", "float64"), ("float64", "float32")])
def test_sums_in_float32_widen_the_interval(sums):
    own, reference = (row(torch.randn(4000, generator=generator(n))) for n in (1, 2))
    exact, rounded = (difference("tap", own, reference, s).relative_l2 for s in (SUMS, sums))
    assert exact.estimate == rounded.estimate
    assert rounded.low < exact.low < exact.high < rounded.high


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_tensor_kept_whole_is_compared_exactly(dtype):
    recipe = Recipe(1, 500)
    own, reference = (torch.randn(5, 100, generator=generator(n)).to(dtype) for n in (1, 2))
    found = difference("tap", row(own, recipe), row(reference, recipe), SUMS)
    exact = compare(own, reference)
    assert found.relative_l2 == Interval.exactly(pytest.approx(exact.relative_l2, rel=1e-12))
    assert found.max_abs == Interval.exactly(exact.max_abs)
    assert found.cosine.estimate == pytest.approx(exact.cosine, rel=1e-12)
    assert found.norm_ratio == pytest.approx(exact.norm_ratio, rel=1e-12)
    assert found.elements is not None
    assert found.elements.close == Interval.exactly(exact.close_fraction)
    assert found.elements.all_of_them


def test_a_tensor_with_a_bucket_for_each_element_leaves_nothing_to_chance():
    own, reference = (torch.randn(BUCKETS, generator=generator(n)) for n in (1, 2))
    ((exact, most, found),) = compared([(own, reference)], 5)
    assert found.relative_l2.high - found.relative_l2.low < 2e-6
    assert found.relative_l2.estimate == pytest.approx(exact, rel=1e-6)
    assert found.max_abs.high == pytest.approx(most, rel=1e-5)


def test_the_cosine_is_exact_where_the_error_is_small():
    """By the scalar product, 1 - cosine of 5e-13 would drown."""
    reference = torch.randn(TOKENS, WIDTH, generator=generator(3), dtype=torch.float64)
    own = reference + 1e-5 * torch.randn(TOKENS, WIDTH, generator=generator(4), dtype=torch.float64)
    ((_, _, found),) = compared([(own, reference)], 1)
    angle = 1 - float(torch.nn.functional.cosine_similarity(own.flatten(), reference.flatten(), dim=0))
    assert 1 - found.cosine.high <= angle <= 1 - found.cosine.low
    assert 1 - found.cosine.estimate == pytest.approx(5e-11, rel=0.2)


def test_close_elements_and_ulp_hold_in_their_intervals():
    hits = 0
    for seed in range(100):
        reference = torch.randn(TOKENS, WIDTH, generator=generator(seed)).bfloat16()
        noise = torch.randn(TOKENS, WIDTH, generator=generator(seed + 1000)) * 0.01
        own = (reference.float() * (1 + noise)).bfloat16()
        recipe = Recipe(seed, 400)
        found, exact = difference("tap", row(own, recipe), row(reference, recipe), SUMS), compare(own, reference)
        assert found.elements is not None
        assert found.elements.drawn == 400
        hits += found.elements.close.low <= exact.close_fraction <= found.elements.close.high
    assert hits >= 90 - 3 * math.sqrt(9)


def test_norms_say_where_it_changed():
    reference = torch.randn(64, 3, 256, generator=generator(1))
    own = reference.clone()
    own[:, :, 64:128] *= 0.5
    found = difference("tap", row(own), row(reference), SUMS)
    assert found.channels is not None
    assert (found.channels.block, found.channels.blocks) == (1, 4)
    assert found.channels.candidate == pytest.approx(found.channels.reference / 2, rel=1e-6)
    own = reference.clone()
    own[32:34] = 0
    found = difference("tap", row(own), row(reference), SUMS)
    assert found.positions is not None
    assert found.positions.block == 16
    assert found.positions.candidate == 0


def test_counts_of_what_is_not_finite_and_exponents_are_exact():
    reference, own = torch.ones(4000), torch.ones(4000)
    own[:40], reference[7] = torch.nan, -torch.inf
    found = difference("tap", row(own), row(reference), SUMS)
    assert (found.nonfinite.candidate.nan, found.nonfinite.reference.negative_inf) == (40, 1)
    assert found.exponents == pytest.approx(39 / 4000)


def test_zero_against_zero_and_against_something():
    none, some = torch.zeros(1000), torch.randn(1000, generator=generator(1))
    assert difference("tap", row(none), row(none), SUMS).relative_l2.estimate == 0.0
    found = difference("tap", row(some), row(none), SUMS)
    assert (found.relative_l2.estimate, found.cosine.estimate, found.norm_ratio) == (math.inf, 0.0, math.inf)
    found = difference("tap", row(none), row(some), SUMS)
    assert found.relative_l2.low <= 1.0 <= found.relative_l2.high


def test_figures_that_no_float64_holds_are_unknown():
    huge = torch.full((4000,), 1e300, dtype=torch.float64)
    found = difference("tap", row(huge), row(-huge), SUMS)
    assert math.isnan(found.relative_l2.estimate)
    assert (found.relative_l2.low, found.relative_l2.high) == (0.0, math.inf)


def test_shapes_apart_are_not_compared():
    with pytest.raises(IncompleteError, match=r"tap: candidate's shape \(3,\)"):
        difference("tap", row(torch.zeros(3)), row(torch.zeros(4)), SUMS)


def test_the_same_bits_are_no_difference():
    tensor = torch.randn(4000, generator=generator(1))
    same = no_difference(row(tensor))
    assert same.relative_l2 == Interval.exactly(0.0)
    assert difference("tap", row(tensor), row(tensor), SUMS).relative_l2.estimate == 0.0


def test_shares_and_ranks_have_the_intervals_of_the_textbook():
    """Wilson's interval for 10 of 100 at 90 %: (0.0602, 0.1615)."""
    assert share_interval(10, 100).low == pytest.approx(0.0602, abs=2e-3)
    assert share_interval(10, 100).high == pytest.approx(0.1615, abs=2e-3)
    assert share_interval(0, 50).low == 0.0
    assert share_interval(50, 50).high == 1.0
    assert (share_interval(0, 0).low, share_interval(0, 0).high) == (0.0, 1.0)
    assert quantile_ranks(0.5, 101) == (50, 42, 58)
    assert quantile_ranks(0.99, 10) == (9, 9, 9)
    assert RECIPE.elements == 16
