"""Budgets: exactly one row for each tap, every row well formed, and the arithmetic of an allowance."""

import math

import pytest
from engine_cases import EXACT, budgets, one_line
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import BadInputError
from parity.judge import Allowance, Budgets, Rule

PEER = """
schema = 1
[groups]
inputs = ["*.in", "*.latent"]
[[budget]]
suite = "toy"
rule = "peer"
taps = ["*"]
except = ["@inputs", "*.bits"]
modes = ["chained"]
relative_l2 = { ratio = 1.5, floor = 2, ceiling = 0.5 }
max_abs = { ratio = 3.0, floor = 0.5, ceiling = 10.0 }
reason = "a test"
[[budget]]
suite = "toy"
rule = "same-values"
taps = ["@inputs"]
reason = "a test"
"""


def test_a_row_holds_what_the_file_says(tmp_path):
    row = budgets(tmp_path, PEER).row("toy", "block.out", "chained", "float32")
    assert (row.rule, row.taps, row.excluded, row.modes) == (
        Rule.PEER,
        ("*",),
        ("*.in", "*.latent", "*.bits"),
        ("chained",),
    )
    assert row.allowances == {"relative_l2": Allowance(1.5, 2.0, 0.5), "max_abs": Allowance(3.0, 0.5, 10.0)}
    assert (row.reason, row.number) == ("a test", 1)


@pytest.mark.parametrize(
    ("suite", "tap", "mode"),
    [("other", "block.out", "chained"), ("toy", "block.bits", "chained"), ("toy", "block.out", "isolated")],
)
def test_a_tap_without_a_row_is_refused_in_one_line(tmp_path, suite, tap, mode):
    with pytest.raises(BadInputError) as caught:
        budgets(tmp_path, PEER).row(suite, tap, mode, "float32")
    assert one_line(caught.value, "budgets.toml", tap, suite, mode, "no row")


def test_a_tap_with_two_rows_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInputError) as caught:
        budgets(tmp_path, PEER.replace('"@inputs", ', "")).row("toy", "block.in", "chained", "float32")
    assert one_line(caught.value, "row 1, row 2")


def test_patterns_tell_capital_letters_apart(tmp_path):
    with pytest.raises(BadInputError):
        budgets(tmp_path, PEER).row("toy", "block.IN", "isolated", "float32")


def test_a_row_that_no_tap_asked_for_is_refused(tmp_path):
    read = budgets(tmp_path, PEER)
    read.row("toy", "block.out", "chained", "float32")
    assert [row.number for row in read.unused("toy")] == [2]
    with pytest.raises(BadInputError) as caught:
        read.refuse_unused("toy")
    assert one_line(caught.value, "row 2", "matches no tap")
    read.row("toy", "block.in", "isolated", "float32")
    read.refuse_unused("toy")
    read.refuse_unused("a suite that did not run")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("schema = 1", "schema = 2", "schema 2"),
        ("schema = 1", "", "schema None"),
        ("[groups]", "[group]", "group"),
        ("[groups]\ninputs", "groups", "[groups]"),
        ('inputs = ["*.in", "*.latent"]', 'inputs = "*.in"', "inputs"),
        ('inputs = ["*.in"', 'inputs = [3, "*.in"', "inputs"),
        ("[[budget]]", "[[budgets]]", "budgets"),
        ("[[budget]]", "[budget]", "not TOML"),
        ('suite = "toy"', "", "suite"),
        ('suite = "toy"', 'suite = "toy"\nsweet = 1', "sweet"),
        ('reason = "a test"', "", "reason"),
        ('rule = "peer"', 'rule = "perr"', "perr"),
        ('rule = "peer"', "rule = 3", "rule 3"),
        ('rule = "peer"', 'rule = "bit-identical"', "2 allowances"),
        ('rule = "same-values"', 'rule = "peer"', "0 allowances"),
        ('taps = ["*"]', 'taps = "*.mine"', "taps"),
        ('taps = ["*"]', "taps = [1]", "taps"),
        ('"@inputs", "*.bits"', '"@unheard"', "@unheard"),
        ('except = ["@inputs", "*.bits"]', 'except = "@inputs"', "except"),
        ('modes = ["chained"]', 'modes = "chained"', "modes"),
        ("ratio = 1.5, ", "", "relative_l2"),
        ("ratio = 1.5", "ratio = 1.5, rate = 1", "rate"),
        ("ratio = 1.5", "ratio = nan", "ratio = nan"),
        ("ratio = 1.5", "ratio = -1.5", "ratio = -1.5"),
        ("ratio = 1.5", 'ratio = "1.5"', "ratio = '1.5'"),
        ("ratio = 1.5", "ratio = true", "ratio = True"),
        ("floor = 0.5", "floor = inf", "floor = inf"),
        ("ceiling = 10.0", "ceiling = [10.0]", "ceiling = [10.0]"),
        ("relative_l2 = { ratio = 1.5, floor = 2, ceiling = 0.5 }", "relative_l2 = 0.5", "relative_l2"),
        ("[[budget]]", "[[budget", "not TOML"),
    ],
)
def test_a_malformed_file_is_refused_in_one_line(tmp_path, old, new, part):
    assert old in PEER
    with pytest.raises(BadInputError) as caught:
        budgets(tmp_path, PEER.replace(old, new, 1))
    assert one_line(caught.value, "budgets.toml", part)


def test_a_missing_file_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInputError) as caught:
        Budgets.load(tmp_path / "absent.toml")
    assert one_line(caught.value, "absent.toml")


def test_a_file_of_no_rows_rules_no_tap(tmp_path):
    with pytest.raises(BadInputError):
        budgets(tmp_path, "schema = 1").row("toy", "tap", "chained", "float32")
    assert budgets(tmp_path, EXACT).row("toy", "tap", "chained", "float32").rule is Rule.BIT_IDENTICAL


SIZES = st.floats(0, 1e6)
ALLOWANCES = st.builds(Allowance, SIZES, SIZES, SIZES)


@given(ALLOWANCES, SIZES, SIZES, st.floats(0, 1))
def test_a_bound_is_the_peers_share_and_a_floor_under_a_ceiling(allowance, peer, scale, epsilon):
    bound = allowance.bound(peer, epsilon, scale)
    assert 0 <= bound <= allowance.ceiling * scale
    plain = allowance.ratio * peer + allowance.floor * epsilon * scale
    assert math.isclose(bound, min(plain, allowance.ceiling * scale))


@given(ALLOWANCES, SIZES, SIZES)
def test_a_worse_peer_never_tightens_a_bound(allowance, first, second):
    low, high = sorted((first, second))
    assert allowance.bound(low, 2**-8) <= allowance.bound(high, 2**-8)


@given(ALLOWANCES, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_peer_or_a_scale_that_is_not_finite_allows_nothing(allowance, broken):
    assert allowance.bound(broken, 2**-8) == 0.0
    assert allowance.bound(1.0, 2**-8, broken) == 0.0


def test_a_row_may_be_for_one_precision(tmp_path):
    both = EXACT + PEER_ROW_BY_DTYPE.format("float32", "0.5") + PEER_ROW_BY_DTYPE.format("bfloat16", "0.25")
    read = budgets(tmp_path, both.replace('suite = "toy"', 'suite = "exact"', 1))
    assert read.row("toy", "tap", "chained", "float32").allowances["max_abs"].ratio == 0.5
    assert read.row("toy", "tap", "chained", "bfloat16").allowances["max_abs"].ratio == 0.25
    with pytest.raises(BadInputError, match="no row"):
        read.row("toy", "tap", "chained", "float64")


PEER_ROW_BY_DTYPE = """
[[budget]]
suite = "toy"
rule = "peer"
taps = ["*"]
dtypes = ["{}"]
max_abs = {{ ratio = {}, floor = 0.0, ceiling = 1.0 }}
reason = "each precision its own"
"""
