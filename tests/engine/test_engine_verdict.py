"""The verdict on one tap: what each rule lets through, and how much of its bound was used."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parity.judge import Allowance, Budget, Measurement, Rule, Verdict, judge
from parity.judge.verdict import TapPlace
from parity.metrics import compare
from parity.run.judging import same_bits

PLACE = TapPlace("case", "pass", "tap", "group", "chained")
VALUES = torch.tensor([1.0, -2.0, 3.0, 4.0])
RELATIVE = {"relative_l2": Allowance(2.0, 0.0, 1.0)}


def row(rule, allowances=None):
    return Budget("toy", rule, ("*",), (), (), allowances or {}, "a test", 1)


def verdict(rule, own, reference, *, peer=None, allowances=None, working=torch.float32):
    comparison = compare(own, reference)
    same = same_bits(own, reference)
    measured = Measurement(comparison, None if peer is None else compare(peer, reference), same)
    return judge(PLACE, measured, row(rule, allowances), working)


def test_the_same_bits_are_identical_under_every_rule():
    for rule in Rule:
        allowances = RELATIVE if rule is Rule.PEER else None
        result = verdict(rule, VALUES, VALUES.clone(), peer=VALUES, allowances=allowances)
        assert (result.verdict, result.usage, dict(result.exceeded)) == (Verdict.IDENTICAL, 0.0, {})


def test_bit_identical_tells_a_signed_zero_and_a_dtype_apart():
    zeros = torch.zeros(3)
    assert verdict(Rule.BIT_IDENTICAL, -zeros, zeros).verdict is Verdict.OVER
    assert verdict(Rule.BIT_IDENTICAL, VALUES.double(), VALUES).verdict is Verdict.OVER
    assert verdict(Rule.SAME_VALUES, -zeros, zeros).verdict is Verdict.WITHIN
    assert verdict(Rule.SAME_VALUES, VALUES.double(), VALUES).verdict is Verdict.WITHIN


@given(st.integers(0, 3), st.booleans())
def test_same_values_lets_no_step_through(index, up):
    other = VALUES.clone()
    other[index] = torch.nextafter(other[index], torch.tensor(math.inf if up else -math.inf))
    result = verdict(Rule.SAME_VALUES, other, VALUES)
    assert result.verdict is Verdict.OVER
    assert set(result.exceeded) == {"max_abs"}
    assert result.usage == math.inf


@given(st.floats(1e-6, 0.1), st.floats(0.1, 1.9))
def test_the_peer_rule_allows_a_multiple_of_the_peers_own_error(error, share):
    truth = VALUES.double()
    own, peer = truth * (1 + error * share), truth * (1 + error)
    result = verdict(Rule.PEER, own, truth, peer=peer, allowances=RELATIVE, working=torch.float64)
    assert result.verdict is Verdict.WITHIN
    assert math.isclose(result.usage, share / 2, rel_tol=1e-6)
    beyond = truth * (1 + error * (share + 2))
    worse = verdict(Rule.PEER, beyond, truth, peer=peer, allowances=RELATIVE, working=torch.float64)
    assert worse.verdict is Verdict.OVER
    assert worse.usage > 1
    assert set(worse.exceeded) == {"relative_l2"}


def test_a_ceiling_holds_however_bad_the_peer_is():
    result = verdict(Rule.PEER, VALUES * 3, VALUES, peer=VALUES * 9, allowances=RELATIVE)
    assert result.bounds == {"relative_l2": 1.0}
    assert result.verdict is Verdict.OVER


def test_a_floor_counts_in_epsilons_and_the_largest_error_in_root_mean_squares():
    allowances = {"relative_l2": Allowance(0.0, 3.0, 1.0), "max_abs": Allowance(0.0, 2.0, 1.0)}
    result = verdict(Rule.PEER, VALUES, VALUES, allowances=allowances, working=torch.bfloat16)
    rms = VALUES.square().mean().sqrt().item()
    assert math.isclose(result.bounds["relative_l2"], 3 * 2**-7)
    assert math.isclose(result.bounds["max_abs"], 2 * 2**-7 * rms, rel_tol=1e-6)


def test_a_peer_that_is_not_finite_allows_nothing():
    peer = VALUES.clone()
    peer[:] = math.nan
    result = verdict(Rule.PEER, VALUES * 1.001, VALUES, peer=peer, allowances=RELATIVE)
    assert result.bounds == {"relative_l2": 0.0}
    assert result.verdict is Verdict.OVER


@pytest.mark.parametrize("figure", [math.nan, math.inf])
@pytest.mark.parametrize("gate", ["relative_l2", "max_abs"])
def test_a_figure_that_is_no_number_is_over_every_bound(figure, gate):
    comparison = dataclasses.replace(compare(VALUES * 1.5, VALUES), **{gate: figure})
    allowances = {gate: Allowance(9.0, 9.0, 1e9)}
    result = judge(PLACE, Measurement(comparison, None, False), row(Rule.PEER, allowances), torch.float32)
    assert result.verdict is Verdict.OVER
    assert result.usage == math.inf


@pytest.mark.parametrize("rule", list(Rule))
def test_an_empty_tensor_is_over_every_budget(rule):
    allowances = RELATIVE if rule is Rule.PEER else None
    empty = torch.zeros(0)
    result = verdict(rule, empty, empty, peer=empty, allowances=allowances)
    assert result.verdict is Verdict.OVER
    assert "elements" in result.exceeded
    assert result.usage == math.inf


BITS = st.lists(st.floats(width=32), max_size=5).map(torch.tensor)


@given(BITS, BITS)
def test_same_bits_means_the_bytes_agree(left, right):
    assert same_bits(left, left.clone())
    assert same_bits(left, right) == (left.shape == right.shape and left.numpy().tobytes() == right.numpy().tobytes())


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.bfloat16, torch.int64])
def test_same_bits_reads_every_width_through_any_strides(dtype):
    whole = torch.tensor([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    assert same_bits(whole.T, whole.T.contiguous())
    assert not same_bits(whole.T, (whole == 0).to(dtype).T)
    assert not same_bits(whole, whole.reshape(3, 2))
