"""Judging a pass: what cannot be compared is never a pass, and exits with the right code."""

import pytest
import torch
from engine_cases import EXACT, budgets, call, one_line, point, run_of, tower_forward, towers
from torch import nn

from parity.errors import BadInputError, ExitCode
from parity.judge import Verdict
from parity.run.forward import Forward, Implementation, Mode
from parity.run.judging import Bar, judge_forward
from parity.run.oracle import LiveOracle
from parity.run.record import ForwardResult, RunResult
from parity.taps import TapPlan

X = torch.tensor([[1.0, -2.0, 3.0]])


class Gives(nn.Module):
    """Gives a value of its own, computed from what it receives, through one part."""

    def __init__(self, make):
        super().__init__()
        self.part, self.make = nn.Identity(), make

    def forward(self, x):
        return self.part(self.make(x))


def judged(tmp_path, own, reference, *, modes=tuple(Mode), text=EXACT, plan=None, working=torch.float32):
    """Judge a module against another by a tap on the part that both have."""
    plan = plan or TapPlan((point("tap", own="part>out", ref="part>out"),))
    forward = Forward("toy", (X,), plan)
    oracle = LiveOracle(Implementation("ref", reference, call), forward)
    bar = Bar("toy", "case", budgets(tmp_path, text), working, modes)
    result = judge_forward(Implementation("own", own, call), oracle, forward, bar)
    assert all(len(reason.splitlines()) == 1 for reason in result.incomplete)
    return run_of(result)


def plus_one(x):
    return x + 1


def test_the_same_tensors_pass_in_every_mode(tmp_path):
    run = judged(tmp_path, Gives(plus_one), Gives(plus_one))
    assert run.exit_code is ExitCode.WITHIN_BUDGET
    assert [tap.place.mode for tap in run.taps] == [mode.value for mode in Mode]
    assert {tap.verdict for tap in run.taps} == {Verdict.IDENTICAL}


def test_one_bit_of_difference_is_over_an_exact_budget(tmp_path):
    run = judged(tmp_path, Gives(lambda x: torch.nextafter(x, x + 1)), Gives(lambda x: x))
    assert run.exit_code is ExitCode.OVER_BUDGET
    assert run.first_divergence.place.mode == "chained"
    assert run.first_divergence.usage > 1


@pytest.mark.parametrize(
    ("own", "reference"),
    [
        (float("nan"), 1.0),
        (1.0, float("nan")),
        (float("nan"), float("nan")),
        (float("inf"), float("-inf")),
        (float("inf"), float("inf")),
        (float("inf"), 1.0),
    ],
)
@pytest.mark.parametrize("rule", ["bit-identical", "same-values", "peer"])
def test_what_is_not_finite_is_over_every_budget(tmp_path, own, reference, rule):
    text = EXACT.replace("bit-identical", rule)
    text += "relative_l2 = { ratio = 9.0, floor = 1e9, ceiling = 1e9 }" if rule == "peer" else ""
    sides = [Gives(lambda x, v=value: torch.cat([x[:, 1:], torch.full((1, 1), v)], 1)) for value in (own, reference)]
    run = judged(tmp_path, *sides, text=text)
    assert run.exit_code is ExitCode.OVER_BUDGET
    assert {tap.verdict for tap in run.taps} == {Verdict.OVER}
    assert all("nonfinite" in tap.exceeded and tap.usage == float("inf") for tap in run.taps)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda x: x[:, :2], "shape (1, 2)"),
        (lambda x: x[0], "shape (3,)"),
        (lambda x: x.double(), "dtype torch.float64"),
        (lambda x: x.bfloat16(), "dtype torch.bfloat16"),
        (lambda x: x.int(), "dtype torch.int32"),
        (lambda x: (x, x), "a tuple"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
        (lambda x: torch.ones(0)[1], "IndexError"),
    ],
)
@pytest.mark.parametrize("modes", [tuple(Mode), (Mode.CHAINED,)])
def test_a_candidate_of_another_kind_is_incomplete_in_one_line(tmp_path, make, part, modes):
    run = judged(tmp_path, Gives(make), Gives(lambda x: x), modes=modes)
    assert run.exit_code is ExitCode.INCOMPLETE
    assert not run.taps
    assert any(part in reason for reason in run.incomplete)


def test_the_reference_failing_is_incomplete_too(tmp_path):
    run = judged(tmp_path, Gives(plus_one), Gives(lambda x: 1 / 0))
    assert run.exit_code is ExitCode.INCOMPLETE
    assert "ref, toy: ZeroDivisionError" in run.incomplete[0]


def test_an_empty_tensor_compares_nothing_and_is_over(tmp_path):
    run = judged(tmp_path, Gives(lambda x: x[:0]), Gives(lambda x: x[:0]))
    assert run.exit_code is ExitCode.OVER_BUDGET


class Skips(Gives):
    def forward(self, x):
        return x


class Twice(Gives):
    def forward(self, x):
        return self.part(self.part(x))


@pytest.mark.parametrize(("kind", "part"), [(Skips, "not reached"), (Twice, "reached twice")])
@pytest.mark.parametrize("side", [0, 1])
def test_a_tap_missing_or_doubled_on_either_side_is_incomplete(tmp_path, kind, part, side):
    sides = [Gives(lambda x: x), Gives(lambda x: x)]
    sides[side] = kind(lambda x: x)
    run = judged(tmp_path, *sides)
    assert run.exit_code is ExitCode.INCOMPLETE
    assert run.incomplete[0].startswith("toy/case/float32: tap: ")
    assert part in run.incomplete[0]


@pytest.mark.parametrize(("plan", "modes"), [(TapPlan(()), tuple(Mode)), (None, ())])
def test_a_pass_that_compares_no_tap_is_incomplete(tmp_path, plan, modes):
    run = judged(tmp_path, Gives(plus_one), Gives(plus_one), plan=plan, modes=modes)
    assert run.exit_code is ExitCode.INCOMPLETE
    assert one_line(run.incomplete[0], "no tap compared")


def test_one_pass_without_taps_spoils_a_run_of_good_ones(tmp_path):
    (good,) = judged(tmp_path, Gives(plus_one), Gives(plus_one)).cases[0].forwards
    assert run_of(good).exit_code is ExitCode.WITHIN_BUDGET
    assert run_of(good, ForwardResult("silent", (), ())).exit_code is ExitCode.INCOMPLETE


def test_a_run_or_a_case_of_nothing_is_incomplete_and_says_so():
    for run in (RunResult((), {}), run_of()):
        assert run.exit_code is ExitCode.INCOMPLETE
        assert one_line(run.incomplete[0], "expected one or more")


def test_over_budget_outranks_incomplete(tmp_path):
    (over,) = judged(tmp_path, Gives(plus_one), Gives(lambda x: x)).cases[0].forwards
    assert run_of(over, ForwardResult("other", (), ("a reason",))).exit_code is ExitCode.OVER_BUDGET


def test_the_first_divergence_is_chained_before_forced_and_early_before_late(tmp_path):
    candidate, reference = towers()
    with torch.no_grad():
        candidate.layers[1].up.bias += 1
    forward = tower_forward()
    oracle = LiveOracle(Implementation("ref", reference, call), forward)
    modes = (Mode.ISOLATED, Mode.CHAINED)
    bar = Bar("toy", "case", budgets(tmp_path), torch.float32, modes)
    run = run_of(judge_forward(Implementation("own", candidate, call), oracle, forward, bar))
    assert (run.first_divergence.place.tap, run.first_divergence.place.mode) == ("block1.first", "chained")
    assert list(dict.fromkeys(tap.place.group for tap in run.taps)) == ["block0", "block1", "block2"]


def test_a_tap_without_a_budget_row_is_no_pass_but_bad_input(tmp_path):
    with pytest.raises(BadInputError) as caught:
        judged(tmp_path, Gives(plus_one), Gives(plus_one), text=EXACT.replace('"*"', '"other"'))
    assert one_line(caught.value, "tap (toy, chained, float32)", "no row")


def test_gains_are_told_only_for_a_pass_that_was_compared_whole(tmp_path):
    candidate, reference = towers()
    with torch.no_grad():
        candidate.layers[0].up.bias += 0.1
    forward = tower_forward()
    bar = Bar("toy", "case", budgets(tmp_path), torch.float32)
    oracle = LiveOracle(Implementation("ref", reference, call), forward)
    found = judge_forward(Implementation("own", candidate, call), oracle, forward, bar)
    assert set(found.gains) == {"block1", "block2"}
    candidate.layers[2].register_forward_hook(lambda module, args, output: {"x": output["x"].double()})
    broken = judge_forward(Implementation("own", candidate, call), oracle, forward, bar)
    assert broken.gains == {}
    assert len(broken.incomplete) == len(Mode)
