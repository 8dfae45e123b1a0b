"""The fixture `parity`, run by an inner pytest as another project would."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import parity.pytest_plugin as plugin

pytest_plugins = ["pytester"]


def failure(result):
    result.assert_outcomes(failed=1)
    return [line.removeprefix("E").strip() for line in result.outlines]


def test_a_pair_that_agrees_passes_and_gives_its_result(inner):
    result = inner(
        """
def test_same(parity):
    for mode in ("chained", "isolated"):
        result = parity.compare(*pair(), ((X,), {"scale": 2.0}), taps=TAPS, mode=mode)
        assert [tap.place.tap for tap in result.taps] == list(TAPS)
        assert {tap.place.mode for tap in result.taps} == {mode}
        assert {tap.verdict.value for tap in result.taps} == {"identical"}

def test_inputs_for_each_side(parity):
    inputs = {"candidate": ((), {"x": X}), "reference": ((), {"hidden": X})}
    parity.compare(*pair(), inputs, taps=TAPS)

def test_a_bound(parity):
    parity.compare(*pair(1e-5), ((X,), {}), taps=TAPS, budget={"relative_l2": 1e-3, "max_abs": 1e-2})
"""
    )
    result.assert_outcomes(passed=3)


def test_a_pair_that_differs_fails_with_a_table_headed_by_the_first_divergence(inner):
    lines = failure(
        inner(
            """
def test_differs(parity):
    parity.compare(*pair(0.5), ((X,), {}), taps=TAPS, budget={"relative_l2": 1e-6, "max_abs": 1e-5})
"""
        )
    )
    start = lines.index("parity: first divergence at act (chained); 3 of 5 taps over budget")
    assert lines[start + 1].split("  ")[0] == "tap"
    assert all(title in lines[start + 1] for title in ("relative L2", "max abs", "ULP max", "bound", "verdict"))
    assert [line.split()[0] for line in lines[start + 2 : start + 7]] == ["act", "down", "out", "in", "up"]
    assert "relative_l2 <= 1e-06" in lines[start + 2]
    assert lines[start + 2].endswith("over (relative_l2, max_abs)")
    assert lines[start + 5].endswith("identical")
    assert not any("compare_pair" in line or "Traceback" in line for line in lines)


def test_isolated_only_the_faulty_step_is_over(inner):
    lines = failure(
        inner(
            """
def test_differs(parity):
    parity.compare(*pair(0.5), ((X,), {}), taps=TAPS, mode="isolated")
"""
        )
    )
    assert "parity: first divergence at act (isolated); 1 of 5 taps over budget" in lines


def test_a_bound_on_the_largest_error_counts_in_root_mean_squares(inner):
    result = inner(
        """
class Add(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error
    def forward(self, x):
        return x + self.error

@pytest.mark.parametrize("error", [0.9, 1.1])
def test_error(parity, error):
    x = torch.full((4,), 100.0)
    parity.compare(Add(error), Add(0.0), ((x,), {}), taps={"out": (">out", ">out")}, budget={"max_abs": 0.01})
"""
    )
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ('taps={"up": ("upp>out", "body.0>out")}', "up: no module 'upp'"),
        ('taps={"up": ("up>out", "body.9>out")}', "up: no module 'body.9'"),
        ('taps={"up": ("up", "body.0>out")}', "port 'up': does not parse"),
        ('taps={"up": "up>out"}', "tap 'up': 'up>out'; expected (\"candidate.path>out\""),
        ('taps={"out": (">out.hidden", ">out.hidden")}', "out: no 'hidden' in a Tensor"),
        ("taps={}", "no tap compared"),
        ('taps=TAPS, budget="exact"', "budget: 'exact'; expected one of bit-identical, same-values"),
        ("taps=TAPS, budget={}", "budget: no bound"),
        ('taps=TAPS, budget={"relative_l2": float("nan")}', "relative_l2 = nan"),
        ('taps=TAPS, budget={"relative_l3": 1.0}', "relative_l3 = 1.0"),
        ('taps=TAPS, mode="chain"', "mode: 'chain'; expected one of chained"),
        ('taps=TAPS, mode="teacher-forced"', "teacher-forced without boundaries"),
    ],
)
def test_terms_that_make_no_sense_fail_the_test_in_one_line(inner, call, part):
    lines = failure(inner(f"\ndef test_it(parity):\n    parity.compare(*pair(), ((X,), {{}}), {call})\n"))
    assert sum(part in line for line in lines) >= 1


@pytest.mark.parametrize("inputs", ["X", "(X,)", "((X,), X)", '{"candidate": ((X,), {})}', "([X], {})"])
def test_inputs_of_another_form_fail_the_test_in_one_line(inner, inputs):
    lines = failure(inner(f"\ndef test_it(parity):\n    parity.compare(*pair(), {inputs}, taps=TAPS)\n"))
    assert any("inputs: a " in line and "expected (args, kwargs)" in line for line in lines)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("ours, theirs = pair(float('nan'))", "over (nonfinite, bits)"),
        ("ours, theirs = pair(); theirs.body[1] = nn.Identity()", "first divergence at act"),
        ("ours, theirs = pair(); ours.bfloat16()", "not compared"),
        ("ours, theirs = pair(); ours.forward = lambda x: ours.down(ours.up(x)[:, :2])", "RuntimeError"),
        ("ours, theirs = pair(); theirs = ours", "one module on both sides"),
    ],
)
def test_what_cannot_be_compared_fails_the_test(inner, body, part):
    lines = failure(
        inner(f"\ndef test_it(parity):\n    {body}\n    parity.compare(ours, theirs, ((X,), {{}}), taps=TAPS)")
    )
    assert any(part in line for line in lines)


def test_each_side_is_given_inputs_of_its_own(inner):
    result = inner(
        """
class InPlace(nn.Module):
    def forward(self, x, extra):
        extra[0]["y"].mul_(3)
        return x.add_(1) + extra[0]["y"]

def test_it(parity):
    x, extra = torch.zeros(2), ({"y": torch.ones(2)},)
    parity.compare(InPlace(), InPlace(), ((x, extra), {}), taps={"out": (">out", ">out")})
    assert torch.equal(x, torch.zeros(2))
    assert torch.equal(extra[0]["y"], torch.ones(2))
"""
    )
    result.assert_outcomes(passed=1)


def test_a_plan_with_boundaries_can_be_teacher_forced(inner):
    lines = failure(
        inner(
            """
from parity.taps import Port, TapPlan, TapPoint

def test_it(parity):
    ports = {name: dict(zip(("candidate", "reference"), map(Port.parse, two))) for name, two in TAPS.items()}
    plan = TapPlan(tuple(TapPoint(name, "all", both, boundary=name == "act") for name, both in ports.items()))
    parity.compare(*pair(0.5), ((X,), {}), taps=plan, mode="teacher-forced")
"""
        )
    )
    assert "parity: first divergence at act (teacher-forced); 1 of 5 taps over budget" in lines


def test_a_long_table_is_cut_and_says_so(inner):
    lines = failure(
        inner(
            """
def test_it(parity):
    taps = {f"row {i}": (">out", ">out.hidden") for i in range(45)}
    parity.compare(*pair(0.5), ((X,), {}), taps=taps)
"""
        )
    )
    assert "... and 5 more taps" in lines
    assert not any(line.startswith("row 40") for line in lines)


def test_loading_the_plugin_does_not_load_torch():
    program = "import sys, parity.pytest_plugin; sys.exit('torch' in sys.modules)"
    root = Path(plugin.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_the_project_names_this_plugin_as_its_entry_point():
    settings = tomllib.loads((Path(plugin.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert import_module(settings["project"]["entry-points"]["pytest11"]["parity"]) is plugin
