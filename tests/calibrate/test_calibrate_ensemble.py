"""Members of an ensemble, measured: what is zero, what is a rounding, and that nothing else is touched."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from calibrate_cases import MODES
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from parity.calibrate.arithmetic import split_products
from parity.calibrate.band import Bands
from parity.calibrate.ensemble import Member, Yardstick, floors
from parity.calibrate.journal import Journal, Run, RunKey
from parity.calibrate.reading import AGAINST, COLUMNS, FIGURES, REFERENCE, TRUTH, columns, relative
from parity.classify import Class
from parity.classify.tables import classify_table
from parity.errors import BadInputError
from parity.metrics import compare
from parity.run.forward import Forward, Implementation
from parity.taps import Port, TapPlan, TapPoint

WIDTH = 48
DOCS = Path(__file__).parents[2] / "docs" / "CALIBRATION.md"


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x + self.second(torch.tanh(self.first(x)))


def tower(dtype):
    torch.manual_seed(0)
    model = nn.Sequential(Block(), Block()).to(dtype)
    return Implementation("own", model, lambda root, inputs: root(inputs))


def plan():
    rows = [("in", ">in.input", True), ("a", "0.first>out", False), ("b", "0.second>out", False), ("x", "0>out", False)]
    rows += [("c", "1.second>out", False), ("out", "1>out", False)]
    points = [TapPoint(f"toy.p.{n}", "g", {"own": Port.parse(p)}, boundary=edge) for n, p, edge in rows]
    return TapPlan(tuple(points))


def yardstick(dtype=torch.bfloat16, truth=torch.float64, **more):
    x = torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(1)).bfloat16()
    sides = [(tower(kind), [Forward("p", x.to(kind), plan())]) for kind in (dtype, truth)]
    return Yardstick(*sides, **more)


def by_tap(held, table, against, column="relative_l2"):
    read = table[:, :, AGAINST.index(against), COLUMNS.index(column)]
    return {
        name.removeprefix("toy.p."): dict(zip(MODES, read[:, at], strict=True)) for at, name in enumerate(held.names)
    }


def test_the_reference_as_it_is_has_no_error_against_itself_and_rounding_against_the_truth():
    held = yardstick()
    table = held.measure(Member("plain"))
    assert not table[:, :, AGAINST.index(REFERENCE)].any()
    truth = by_tap(held, table, TRUTH)
    assert all(value == 0 for value in truth["in"].values()), "drawn in numbers that both precisions hold"
    assert all(1e-4 < value < 1e-2 for tap in ("a", "b", "out") for value in truth[tap].values())
    assert truth["out"]["isolated"] < truth["out"]["chained"]


def test_moved_inputs_show_in_every_mode_at_the_input_and_behind_it_only_where_they_are_passed_on():
    held = yardstick()
    table = held.measure(Member("moved", moved=lambda x: x * 1.01))
    found = by_tap(held, table, REFERENCE)
    assert min(found["in"].values()) > 1e-3
    assert found["a"] == {"chained": pytest.approx(found["a"]["chained"]), "teacher-forced": 0.0, "isolated": 0.0}
    assert found["a"]["chained"] > 1e-3


def test_a_member_that_has_the_bits_of_the_reference_is_run_once():
    calls = []

    def counted(implementation, passes, mode, values):
        calls.append(mode.value)
        return values

    table = yardstick().measure(Member("same", observe=counted))
    assert calls == ["chained"]
    assert not table[:, :, AGAINST.index(REFERENCE)].any()
    assert table[:, :, AGAINST.index(TRUTH)].any(axis=(1, 2)).all(), "against the truth it errs in every mode"


def test_another_implementation_is_measured_against_the_same_reference():
    held, other = yardstick(), tower(torch.bfloat16)
    with torch.no_grad():
        other.root[0].first.weight[0] += 0.5
    found = by_tap(held, held.measure(Member("plain"), other), REFERENCE)
    assert found["a"]["isolated"] > 0.01
    assert found["b"]["isolated"] == 0.0
    assert found["b"]["chained"] > 0


def test_a_constant_of_the_precision_is_its_own_truth():
    held = yardstick(set_by_precision=["*.a"])
    truth = by_tap(held, held.measure(Member("plain")), TRUTH)
    assert set(truth["a"].values()) == {0.0}
    assert truth["b"]["chained"] > 0


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([torch.bfloat16, torch.float16, torch.float32]),
    st.integers(1, 400),
    st.integers(0, 2**31),
    st.floats(0.01, 100),
)
def test_one_rounding_stays_below_the_floor(dtype, count, seed, scale):
    exact = torch.randn(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale
    rounded = exact.to(dtype)
    read = dict(zip(COLUMNS, columns(compare(rounded, exact)), strict=True))
    allowed = dict(zip(COLUMNS, floors(rounded), strict=True))
    for column in COLUMNS:
        assert read[column] <= allowed[column], column


def test_neighbours_of_every_element_stay_below_the_floor_of_the_largest_error():
    value = torch.randn(500, generator=torch.Generator().manual_seed(5)).bfloat16()
    moved = torch.nextafter(value, torch.full_like(value, torch.inf))
    read = dict(zip(COLUMNS, columns(compare(moved, value)), strict=True))
    allowed = dict(zip(COLUMNS, floors(value), strict=True))
    assert read["max_abs"] <= allowed["max_abs"]
    assert read["relative_l2"] > allowed["relative_l2"], "all of them a whole unit off is more than one rounding"


def test_whole_numbers_have_no_floor():
    assert set(floors(torch.arange(5))) == {0.0}
    assert set(floors(torch.zeros(0))) == {0.0}


def test_nothing_comparable_is_infinitely_far():
    nan = columns(compare(torch.tensor([float("nan"), 1.0]), torch.ones(2)))
    assert set(nan) == set(columns(compare(torch.ones(0), torch.ones(0)))) == {np.inf}
    assert relative(0.0, 0.0) == 0.0
    assert relative(1.0, 0.0) == np.inf


KEY = RunKey("toy", "case", "bfloat16", "1.0.0", 7, "plain")


def measured():
    held = yardstick()
    return Run.of(KEY, held, held.measure(Member("plain")))


def test_a_run_is_read_as_it_was_measured(tmp_path):
    run, journal = measured(), Journal(tmp_path / "runs")
    assert not journal.has(KEY, run.names)
    journal.write(run)
    assert journal.has(KEY, run.names)
    read = journal.read(KEY, run.names)
    assert read.names == run.names
    np.testing.assert_allclose(read.table, run.table, rtol=1e-6)
    np.testing.assert_allclose(read.floors, run.floors, rtol=1e-6)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [KEY.file]


def test_a_run_of_other_taps_or_another_schema_or_cut_short_is_measured_again(tmp_path, monkeypatch):
    run, journal = measured(), Journal(tmp_path)
    journal.write(run)
    assert not journal.has(KEY, (*run.names, "toy.p.more"))
    assert not journal.has(RunKey("toy", "case", "bfloat16", "1.0.0", 8, "plain"), run.names)
    path = tmp_path / KEY.file
    whole = path.read_bytes()
    for cut in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert not journal.has(KEY, run.names)
        with pytest.raises(BadInputError):
            journal.read(KEY, run.names)
    path.write_bytes(whole)
    assert journal.has(KEY, run.names)
    monkeypatch.setattr("parity.calibrate.journal.SCHEMA", "another")
    assert not journal.has(KEY, run.names)


def test_figures_come_first_among_the_columns():
    assert COLUMNS[: len(FIGURES)] == FIGURES


def test_another_model_is_calibrated_and_classified_as_the_docs_say(tmp_path):
    """The code of docs/CALIBRATION.md as it stands there, on a model of two blocks."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    given = {
        "folder": tmp_path,
        "plan": plan(),
        "reference": tower(torch.bfloat16),
        "reference_in_float64": tower(torch.float64),
        "draw": lambda seed: torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(seed)).bfloat16(),
    }
    exec(code, given)
    bands = Bands.load(tmp_path / "bands.json").for_case("case", "bfloat16", "")
    x = given["draw"](99)
    held = Yardstick(
        (tower(torch.bfloat16), [Forward("p", x, plan())]), (tower(torch.float64), [Forward("p", x.double(), plan())])
    )

    def kinds(member, candidate=None):
        table = held.measure(member, candidate)
        return {one.tap: one.kind for one in classify_table(held.passes, table, bands, "bfloat16", TRUTH)}

    assert set(kinds(Member("split", lambda: split_products(0.7))).values()) <= {Class.IDENTICAL, Class.WITHIN_NOISE}
    wrong = tower(torch.bfloat16)
    with torch.no_grad():
        wrong.root[0].second.bias[3] += 0.5
    assert kinds(Member("plain"), wrong) == {
        "toy.p.in": Class.IDENTICAL,
        "toy.p.a": Class.IDENTICAL,
        "toy.p.b": Class.BUG,
        **dict.fromkeys(["toy.p.x", "toy.p.c", "toy.p.out"], Class.DRIFT),
    }
