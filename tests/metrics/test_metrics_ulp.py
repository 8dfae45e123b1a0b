"""Distance in representable steps."""

import math
from fractions import Fraction

import metrics_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_oracle import FORMATS, Exact, ordinal

from parity.metrics import CompareOptions, compare
from parity.metrics.exactness import Pair
from parity.metrics.ulp import ulp_distance


def distance(candidate, reference):
    steps = ulp_distance(Pair(candidate, reference), reference.to(torch.float64)).tolist()
    return [step % 2**64 for step in steps]


@settings(deadline=None)
@given(cases.pairs(nonfinite=False))
def test_distance_is_the_difference_of_ordinals_after_one_rounding(pair):
    candidate, reference = (side.reshape(-1) for side in pair)
    assert distance(candidate, reference) == Exact(candidate, reference).distances


@settings(deadline=None)
@given(st.sampled_from(cases.FLOATS), cases.finite, st.integers(0, 40))
def test_k_steps_are_a_distance_of_k(dtype, value, steps):
    start = torch.nan_to_num(torch.tensor([value], dtype=torch.float64).to(dtype), posinf=1.0, neginf=-1.0)
    # Inwards, so that no walk ends in infinity; both zeros share a number, so it may cross them.
    there, target = start.clone(), torch.tensor([-math.copysign(math.inf, value)], dtype=dtype)
    for _ in range(steps):
        there = torch.nextafter(there, target)
    assert distance(there, start) == distance(start, there) == [steps]


@given(st.floats(width=64, allow_nan=False, allow_infinity=False), st.sampled_from((torch.bfloat16, torch.float16)))
def test_float64_is_rounded_once_not_twice(value, dtype):
    reference = torch.tensor([value], dtype=torch.float64)
    assert distance(torch.zeros(1, dtype=dtype), reference) == [abs(ordinal(value, dtype))]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_value_just_past_a_tie_goes_to_the_near_side(dtype):
    # Half a step above 1, and a hair of float64 more, which a detour by float32 would drop.
    step = 2.0 ** (1 - FORMATS[dtype][0])
    reference = torch.tensor([1 + step / 2 + 2**-45, 1 + step / 2], dtype=torch.float64)
    assert Fraction(reference[0].item()) > Fraction(reference[1].item())
    assert distance(torch.ones(2, dtype=dtype), reference) == [1, 0]


@cases.each_engine
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_hair_on_either_side_of_a_tie_decides(engine, dtype):
    # Half a step above 1 and above the step after it, and a hair of float64 less or more, which float32 drops.
    step, hair = 2.0 ** (1 - FORMATS[dtype][0]), 2.0**-40
    for below, lower in ((1.0, 0), (1.0 + step, 1)):
        for offset, rounded_up in ((-hair, 0), (hair, 1)):
            for sign in (1.0, -1.0):
                reference = torch.tensor([sign * (below + step / 2 + offset)], dtype=torch.float64)
                found = compare(torch.full((1,), sign, dtype=dtype), reference, CompareOptions(engine=engine))
                assert found.max_ulp == lower + rounded_up


@pytest.mark.parametrize("dtype", cases.FLOATS)
def test_the_longest_distance_is_exact(dtype):
    most = torch.tensor([torch.finfo(dtype).max], dtype=dtype)
    assert distance(most, -most) == [2 * ordinal(most.item(), dtype)]


def test_a_reference_too_large_for_the_candidate_is_one_step_past_its_largest():
    most = torch.tensor([65504.0], dtype=torch.float16)
    assert distance(most, torch.tensor([1e9])) == [1]


def test_a_float_reference_of_whole_numbers_counts_by_value():
    reference = torch.tensor([2.0, 4.6, -1e300], dtype=torch.float64)
    assert distance(torch.tensor([2, 7, 0]), reference) == [0, 2, 2**63 - 1024]


@cases.each_engine
@settings(deadline=None)
@given(pair=cases.pairs(nonfinite=False))
def test_every_distance_lies_in_the_bin_that_counts_it(engine, pair):
    found, bounds = compare(*pair, CompareOptions(engine=engine)), [0, 1, *(2**k for k in range(1, 53)), 2**64]
    expected = {}
    for steps in Exact(*pair).distances:
        upper = next(bound for bound in bounds if steps <= bound)
        expected[upper] = expected.get(upper, 0) + 1
    assert found.ulp_histogram == dict(sorted(expected.items()))
