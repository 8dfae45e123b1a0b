"""Which readings are mapped, and that each way to compare maps the same."""

from dataclasses import replace

import pytest
import torch
from engine_cases import budgets
from torch import Tensor, nn

from parity.blame import Operations
from parity.blame.operations import Row
from parity.judge import Measurement, Rule, TapResult, Verdict
from parity.judge.verdict import TapPlace
from parity.lockstep.judging import judge_in_lockstep
from parity.metrics import HeadAxis, compare
from parity.run.dumps import DumpPair, compare_dumps
from parity.run.forward import Forward, Implementation
from parity.run.judging import Bar, judge_forward
from parity.run.maps import Maps, worst
from parity.run.oracle import LiveOracle
from parity.store import Dump, DumpWriter, Manifest
from parity.taps import Port, TapPlan, TapPoint

ONES = torch.ones(2, 4)


def result(name: str, verdict: Verdict, error: float, mode: str = "chained", usage: float = 0.0) -> TapResult:
    place = TapPlace("case", "pass", name, "group", mode)
    measurement = Measurement(compare(ONES + error, ONES), None, error == 0)
    exceeded = {"bits": (error, 0.0)} if verdict is Verdict.OVER else {}
    bounds = {"relative_l2": error / usage} if usage else {}
    return TapResult(place, Rule.PEER, verdict, measurement, bounds, exceeded)


RESULTS = [
    result("same", Verdict.IDENTICAL, 0.0),
    result("its own rounding", Verdict.IDENTICAL, 1e-3),
    result("little", Verdict.WITHIN, 1e-3, usage=0.2),
    result("much, handed down", Verdict.WITHIN, 1e-3, usage=0.9),
    result("much, born", Verdict.WITHIN, 1e-3, "isolated", usage=0.9),
    result("other flags", Verdict.WITHIN, 0.0),
    result("over, forced", Verdict.OVER, 1.0, "teacher-forced"),
    result("over, later", Verdict.OVER, 1.0),
    result("over, last", Verdict.OVER, 1.0),
    result("over, born", Verdict.OVER, 1.0, "isolated"),
]


def test_the_first_divergence_is_mapped_first_then_what_is_over_then_what_uses_most_born_before_handed_down():
    order = [RESULTS[at].place.tap for at in worst(RESULTS)]
    over = ["over, later", "over, born", "over, forced", "over, last"]
    assert order == [*over, "much, born", "much, handed down", "little"]
    assert worst(RESULTS, 3) == worst(RESULTS)[:3]
    assert worst([]) == []


def test_nothing_but_the_worst_is_mapped_and_each_from_its_own_sides():
    asked = []

    def sides(found: TapResult) -> tuple[Tensor, Tensor]:
        asked.append(found.place.tap)
        return ONES + 1, ONES

    mapped = Maps(Operations(), 2).added(RESULTS, sides, {})
    assert asked == ["over, later", "over, born"]
    assert [found.place.tap for found in mapped if found.measurement.map] == asked
    stripped = [replace(found, measurement=replace(found.measurement, map=None)) for found in mapped]
    assert stripped == RESULTS


OPERATIONS = Operations(
    axes=(Row(("toy.*",), "", ("batch", "tokens", "channels")), Row(("toy.*",), "", ("batch", "heads", "a", "b"))),
    counts=(Row(("toy.*.q",), "config.heads"),),
)


@pytest.mark.parametrize(
    ("tap", "shape", "expected"),
    [
        ("toy.pass.q", (1, 2, 8), HeadAxis(2, 4)),
        ("toy.step0.other.block0.q", (1, 2, 8), None),
        ("toy.pass.block0.out", (1, 2, 8), None),
        ("toy.pass.rope", (1, 3, 2, 2), HeadAxis(1, 3)),
        ("other.pass.q", (1, 2, 8), None),
    ],
)
def test_heads_lie_where_an_axis_is_called_so_or_as_many_as_a_tap_of_the_pass_says(tap, shape, expected):
    assert OPERATIONS.heads(tap, shape, {"toy.pass.config.heads": torch.tensor(4)}) == expected


class Toy(nn.Module):
    """Doubles; a wrong one doubles some of it."""

    def __init__(self, wrong: float = 0.0):
        super().__init__()
        self.heads, self.wrong, self.inner = 2.0, wrong, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(2 * x)
        out = out.clone()
        out[..., 0] += self.wrong
        return out


def point(name: str, port: str) -> TapPoint:
    return TapPoint(f"toy.pass.{name}", "toy.block00", dict.fromkeys(("own", "reference"), Port.parse(port)))


PLAN = TapPlan(
    (
        point("config.heads", ">attr.heads"),
        point("inner", "inner>out"),
        point("q", ">out"),
    )
)


def sides() -> tuple[Implementation, Implementation, Forward]:
    def call(root: nn.Module, inputs: object) -> None:
        root(inputs)

    x = torch.arange(24.0).reshape(1, 3, 8)
    return Implementation("own", Toy(0.5), call), Implementation("reference", Toy(), call), Forward("pass", x, PLAN)


def test_live_and_side_by_side_runs_map_alike(tmp_path):
    own, reference, forward = sides()
    bar = Bar("toy", "case", budgets(tmp_path), torch.float32, maps=Maps(OPERATIONS))
    live = judge_forward(own, LiveOracle(reference, forward), forward, bar)
    beside = judge_in_lockstep(own, reference, forward, bar, lambda seen: None)
    assert not live.incomplete
    assert not beside.incomplete
    assert [found.measurement.map for found in live.taps] == [found.measurement.map for found in beside.taps]
    found = {found.place.tap: found.measurement.map for found in live.taps if found.place.mode == "chained"}
    assert found["toy.pass.inner"] is None
    assert found["toy.pass.q"].cells == "A......." * 3
    assert found["toy.pass.q"].heads.shares == (1.0, 0.0)
    assert found["toy.pass.q"].axes == ("batch", "tokens", "channels")
    without = judge_forward(own, LiveOracle(reference, forward), forward, replace(bar, maps=None))
    assert not any(found.measurement.map for found in without.taps)


def dump(path, wrong: float):
    x = torch.arange(24.0).reshape(1, 3, 8)
    values = {"toy.pass.config.heads": torch.tensor(2.0), "toy.pass.inner": 2 * x, "toy.pass.q": Toy(wrong)(x)}
    told = dict.fromkeys(("producer", "release", "case", "torch_version", "command"), "toy")
    with DumpWriter(path) as writer:
        writer.set_manifest(
            Manifest(**told, commit=None, checkpoint_sha256="a" * 64, input_sha256={}, device="cpu", determinism={},
                     seed=0, dtype="float32", created="2026-01-02T03:04:05+00:00", sizes={}, extra={})
        )  # fmt: skip
        for name, value in values.items():
            writer.write(name, value)
    return path


def test_dumps_are_mapped_as_what_they_were_recorded_from(tmp_path):
    own, reference, forward = sides()
    bar = Bar("toy", "case", budgets(tmp_path), torch.float32, maps=Maps(OPERATIONS))
    live = judge_forward(own, LiveOracle(reference, forward), forward, bar)
    with Dump.open(dump(tmp_path / "own.h5", 0.5)) as left, Dump.open(dump(tmp_path / "ref.h5", 0.0)) as right:
        run = compare_dumps(DumpPair(left, right, budgets(tmp_path), "toy", {}, maps=Maps(OPERATIONS)))
    maps = {found.place.tap: found.measurement.map for found in run.taps}
    assert maps == {found.place.tap: found.measurement.map for found in live.taps if found.place.mode == "chained"}
    assert maps["toy.pass.q"] is not None
