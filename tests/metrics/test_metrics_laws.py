"""Every figure against exact arithmetic, and the laws that hold between comparisons."""

import dataclasses
import math

import metrics_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_cases import assert_same_up_to_sum_order
from metrics_oracle import Exact, kind

from parity.metrics import CLOSE_TOLERANCES, CompareOptions, compare
from parity.metrics.accumulator import Accumulator, Subject
from parity.metrics.exactness import Pair
from parity.metrics.summary import summarise


@cases.each_engine
@settings(deadline=None)
@given(pair=cases.pairs(), chunk=cases.chunks)
def test_every_figure_agrees_with_exact_arithmetic(engine, pair, chunk):
    candidate, reference = pair
    found = compare(candidate, reference, CompareOptions(chunk_elements=chunk, engine=engine))
    exact = Exact(*pair)
    assert (found.elements, found.finite_elements) == (len(exact.pairs), len(exact.kept))
    assert found.close_fraction == exact.close_fraction(*CLOSE_TOLERANCES[candidate.dtype])
    assert [dataclasses.astuple(w) for w in found.worst] == exact.worst(8)
    if not exact.kept:
        assert math.isnan(found.relative_l2)
        assert math.isnan(found.max_abs)
        assert found.max_ulp == -1
        return
    assert found.relative_l2 == pytest.approx(exact.relative_l2, rel=1e-12)
    assert found.norm_ratio == pytest.approx(exact.norm_ratio, rel=1e-12)
    assert found.cosine == pytest.approx(exact.cosine, rel=1e-12, abs=1e-12)
    assert found.max_abs == float(max(exact.errors))
    mean = sum(exact.errors) / len(exact.errors)
    assert found.mean_abs == pytest.approx(float(mean), rel=1e-12)
    assert found.bias == pytest.approx(exact.bias, rel=1e-12, abs=1e-13 * float(mean))
    assert found.max_ulp == max(exact.distances)


@settings(deadline=None)
@given(cases.pairs(), cases.chunks)
def test_chunking_changes_nothing_but_the_order_of_sums(pair, chunk):
    assert_same_up_to_sum_order(compare(*pair), compare(*pair, CompareOptions(chunk_elements=chunk)))


def test_a_tensor_of_many_tiles_is_one_comparison():
    torch.manual_seed(1)
    reference = torch.randn(3, 211, 97)
    candidate = reference * (1 + 1e-6 * torch.randn_like(reference))
    whole = compare(candidate, reference)
    assert_same_up_to_sum_order(whole, compare(candidate, reference, CompareOptions(chunk_elements=1009)))
    exact = (candidate.double() - reference.double()).norm() / reference.double().norm()
    assert whole.relative_l2 == pytest.approx(exact.item(), rel=1e-12)


@settings(deadline=None)
@given(cases.pairs(), cases.chunks, st.randoms(use_true_random=False))
def test_parts_merged_in_any_order_are_the_whole(pair, chunk, random):
    candidate, reference = pair
    subject, options = Subject(tuple(candidate.shape), candidate.dtype, reference.dtype), CompareOptions()
    parts = []
    for start in range(0, candidate.numel(), chunk):
        parts.append(Accumulator(subject, options))
        cut = slice(start, start + chunk)
        parts[-1].add(start, Pair(candidate.reshape(-1)[cut], reference.reshape(-1)[cut]))
    random.shuffle(parts)
    total = Accumulator(subject, options)
    for part in parts:
        total.merge(part)
    assert_same_up_to_sum_order(compare(candidate, reference), summarise(total))


@cases.each_engine
def test_equal_errors_added_backwards_still_list_the_first(engine):
    options = CompareOptions(worst_count=3, engine=engine)
    total = Accumulator(Subject((40,), torch.float32, torch.float32), options)
    for start in range(30, -1, -10):
        total.add(start, Pair(torch.ones(10), torch.zeros(10)))
    assert [worst.coordinates for worst in summarise(total).worst] == [(0,), (1,), (2,)]


def test_equal_errors_merged_backwards_still_list_the_first():
    subject, options = Subject((40,), torch.float32, torch.float32), CompareOptions(worst_count=3)
    total = Accumulator(subject, options)
    for start in range(30, -1, -10):
        part = Accumulator(subject, options)
        part.add(start, Pair(torch.ones(10), torch.zeros(10)))
        total.merge(part)
    assert [worst.coordinates for worst in summarise(total).worst] == [(0,), (1,), (2,)]


@settings(deadline=None)
@given(cases.pairs(dtypes=st.sampled_from((torch.bfloat16, torch.float32))))
def test_swapping_the_sides_mirrors_the_figures(pair):
    there, back = compare(*pair), compare(*reversed(pair))
    for name in ("max_abs", "mean_abs", "cosine"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), rel=1e-15, nan_ok=True)
    assert there.bias == pytest.approx(-back.bias, rel=1e-15, nan_ok=True)
    assert there.error_histogram == back.error_histogram
    assert there.nonfinite_mismatch == back.nonfinite_mismatch
    assert there.identical == back.identical
    assert (there.norm_candidate, there.norm_reference) == (back.norm_reference, back.norm_candidate)


@settings(deadline=None)
@given(cases.pairs())
def test_identical_means_one_dtype_the_same_bits_and_no_nan(pair):
    for candidate, reference in (pair, (pair[0], pair[0].clone())):
        values = [(c, r) for c, r in zip(candidate.flatten().tolist(), reference.flatten().tolist(), strict=True)]
        agree = all(c == r and math.copysign(1, c) == math.copysign(1, r) for c, r in values)
        found = compare(candidate, reference)
        assert found.identical == (agree and candidate.dtype == reference.dtype)
        if found.identical:
            assert found.close_fraction == 1.0
            assert found.worst == found.concentration == ()


@pytest.mark.parametrize("dtype", cases.FLOATS)
def test_negative_zero_is_close_to_zero_and_not_identical_to_it(dtype):
    found = compare(torch.tensor([1.0, -0.0], dtype=dtype), torch.tensor([1.0, 0.0], dtype=dtype))
    assert not found.identical
    assert (found.max_abs, found.max_ulp, found.close_fraction) == (0.0, 0, 1.0)


@cases.each_engine
@settings(deadline=None)
@given(pair=cases.pairs(), chunk=cases.chunks)
def test_nonfinite_values_are_counted_by_side_and_kind(engine, pair, chunk):
    found, exact = compare(*pair, CompareOptions(chunk_elements=chunk, engine=engine)), Exact(*pair)
    kinds = [(kind(c), kind(r)) for c, r in exact.pairs]
    for index, counts in enumerate((found.nonfinite.candidate, found.nonfinite.reference)):
        side = [pair[index] for pair in kinds]
        expected = (side.count("nan"), side.count("inf"), side.count("-inf"))
        assert (counts.nan, counts.positive_inf, counts.negative_inf) == expected
    assert found.nonfinite_mismatch == sum(c != r for c, r in kinds)
    bad = [place for place, k in zip(exact.places, kinds, strict=True) if k != ("finite", "finite")]
    assert found.nonfinite_first == (bad[0] if bad else None)
    assert found.has_nonfinite == bool(bad)


@pytest.mark.parametrize("dtype", cases.FLOATS)
@pytest.mark.parametrize(("own", "other"), [(math.nan, 1.0), (1.0, math.nan), (math.nan, math.nan)])
def test_a_nan_on_either_side_is_never_close(dtype, own, other):
    loose = CompareOptions(close_rtol=1e30, close_atol=1e30)
    found = compare(torch.tensor([own], dtype=dtype), torch.tensor([other], dtype=dtype), loose)
    assert found.close_fraction == 0.0
    assert not found.identical
    assert math.isnan(found.max_abs)


def test_opposite_infinities_are_never_close_and_equal_ones_are():
    infinite = torch.tensor([math.inf, math.inf, -math.inf])
    found = compare(infinite, torch.tensor([math.inf, -math.inf, -math.inf]))
    assert found.close_fraction == 2 / 3
    assert found.nonfinite_mismatch == 1
    assert compare(infinite, infinite.clone()).identical


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2)])
def test_nothing_compared_is_never_identical(shape):
    found = compare(torch.empty(shape), torch.empty(shape))
    assert (found.elements, found.identical, found.close_fraction) == (0, False, 0.0)
    assert math.isnan(found.relative_l2)
    assert all(math.isnan(value) for value in found.quantiles.values())


@cases.each_engine
@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-180, 1e-161, 1e-158, 1e180, 1e300])
def test_no_difference_vanishes_or_overflows_at_the_ends_of_float64(engine, scale):
    reference = torch.tensor([1.0, 3.0, -2.0], dtype=torch.float64) * scale
    found = compare(reference * 2, reference, CompareOptions(engine=engine))
    assert found.relative_l2 == pytest.approx(1.0, rel=1e-12)
    assert found.norm_ratio == pytest.approx(2.0, rel=1e-12)
    assert found.cosine == pytest.approx(1.0, rel=1e-12)
    assert found.concentration[0].share == pytest.approx(9 / 14, rel=1e-12)


def test_an_exact_tile_after_a_tiny_error_does_not_wipe_it_out():
    candidate = torch.tensor([4e-182, 0.0, 1.0], dtype=torch.float64)
    found = compare(candidate, torch.tensor([0.0, 0.0, 1.0]), CompareOptions(chunk_elements=1))
    assert [(entry.index, entry.share) for entry in found.concentration] == [(0, 1.0)]


def test_zero_against_zero_is_no_error_and_anything_against_zero_is_infinite():
    zero, one = torch.zeros(4), torch.tensor([0.0, 1.0, 0.0, 0.0])
    assert compare(zero, zero.clone()).relative_l2 == 0.0
    assert compare(one, zero).relative_l2 == math.inf
    assert compare(zero, one).relative_l2 == 1.0


def test_one_step_of_bfloat16_is_seen():
    reference = torch.linspace(1, 2, 50).to(torch.bfloat16)
    candidate = reference.clone()
    candidate[7] = torch.nextafter(reference[7], torch.tensor(9.0, dtype=torch.bfloat16))
    found = compare(candidate, reference)
    assert not found.identical
    assert (found.max_ulp, found.ulp_histogram) == (1, {0: 49, 1: 1})
    assert found.max_abs == 2**-7
    assert found.worst[0].coordinates == (7,)


def test_bfloat16_against_float32_loses_nothing_of_the_float32():
    reference = torch.tensor([1.0 + 2**-23, 1.0])
    found = compare(torch.ones(2, dtype=torch.bfloat16), reference)
    assert found.max_abs == 2**-23
    assert not found.identical
    assert found.max_ulp == 0
    assert compare(reference, torch.ones(2, dtype=torch.bfloat16)).max_ulp == 1


@pytest.mark.parametrize("dtype", [d for d in CLOSE_TOLERANCES if not d.is_floating_point])
def test_whole_numbers_and_flags_are_compared_by_value(dtype):
    found = compare(torch.tensor([0, 1, 1], dtype=dtype), torch.tensor([0, 0, 1], dtype=dtype))
    assert (found.max_abs, found.bias, found.max_ulp) == (1.0, pytest.approx(1 / 3), 1)
    assert found.close_fraction == pytest.approx(2 / 3)


def test_neighbouring_int64_beyond_the_exact_floats_still_differ():
    found = compare(torch.tensor([2**53 + 1, -(2**63)]), torch.tensor([2**53, 2**63 - 1]))
    assert found.error_histogram == {1.0: 1, math.inf: 1}
    assert found.max_ulp == 2**64 - 1
    assert found.bias == pytest.approx(-(2.0**63))
