"""The probe: what each kind of port shows, call by call, and that it leaves the model as it was."""

from collections import namedtuple
from dataclasses import dataclass

import engine_cases
import pytest
import torch
from engine_cases import DOUBLED, Caller, Shapes, Tower, Wrapped, doubled, observed, one_line, plan_of
from torch import nn

from parity.capture import Probe, Recorder
from parity.errors import IncompleteError

X = torch.arange(6, dtype=torch.float32).reshape(2, 3)
Named = namedtuple("Named", ["tokens", "rest"])


@dataclass
class Record:
    tokens: torch.Tensor


@pytest.mark.parametrize(
    ("port", "run"),
    [
        ("inner>in.a", lambda inner, x: inner(x)),
        ("inner>in.a", lambda inner, x: inner(a=x)),
        ("inner>in.0", lambda inner, x: inner(x)),
        ("inner>in.a.k.1", lambda inner, x: inner({"k": [0, x]})),
        ("inner>in.a.tokens", lambda inner, x: inner(Record(x))),
        ("inner>in.b", lambda inner, x: inner(0, b=x)),
        ("inner>in.rest.1", lambda inner, x: inner(0, 1, x)),
        ("inner>in.named.z", lambda inner, x: inner(0, z=x)),
    ],
)
def test_an_input_is_captured_however_it_is_passed(port, run):
    seen = observed(Wrapped(Shapes(lambda a: a), run), {"tap": port}, X)
    assert torch.equal(seen["tap"], X)


@pytest.mark.parametrize(
    ("port", "make"),
    [
        ("inner>out", lambda a: a),
        ("inner>out.1", lambda a: (0, a)),
        ("inner>out.tokens", lambda a: Record(a)),
        ("inner>out.tokens", lambda a: Named(a, 0)),
        ("inner>out.0", lambda a: Named(a, 0)),
        ("inner>out.k", lambda a: {"k": a}),
        ("inner>out.0.k.tokens", lambda a: [{"k": Record(a)}]),
    ],
)
def test_an_output_is_captured_by_element_key_and_attribute(port, make):
    seen = observed(Wrapped(Shapes(make), lambda inner, x: inner(x)), {"tap": port}, X)
    assert torch.equal(seen["tap"], X)


def test_the_root_itself_can_be_tapped():
    root = Shapes(lambda a: a + 1)
    root.scale = 0.25
    seen = observed(root, {"in": ">in.a", "out": ">out", "scale": ">attr.scale"}, X)
    assert torch.equal(seen["in"], X)
    assert torch.equal(seen["out"], X + 1)
    assert seen["scale"].item() == 0.25


def test_calls_of_a_function_are_told_apart_by_their_order():
    sites = [("doubled", DOUBLED, {"": ("first", "second")})]
    ports = {"a": "::doubled@first>in.x", "b": "::doubled@first>out", "c": "::doubled@second>out"}
    seen = observed(Caller((2.0, 5.0)), ports, X, sites=sites)
    assert [torch.equal(seen[k], X * by) for k, by in (("a", 1), ("b", 2), ("c", 10))] == [True] * 3


def test_calls_of_nested_modules_are_counted_for_the_module_that_makes_them():
    root = Caller((2.0,), Caller((3.0,)), Caller((5.0, 7.0)))
    sites = [("doubled", DOUBLED, {"": ("before", "after"), "parts.0": ("only",), "parts.1": ("one", "two")})]
    calls = {"": ("before", "after"), "parts.0": ("only",), "parts.1": ("one", "two")}
    ports = {f"{path}.{name}": f"{path}::doubled@{name}>out" for path, names in calls.items() for name in names}
    seen = observed(root, ports, X, sites=sites)
    expected = {".before": 2, "parts.0.only": 6, "parts.1.one": 30, "parts.1.two": 210, ".after": 420}
    assert {name: (tensor / X)[0, 1].item() for name, tensor in seen.items()} == expected


def test_the_calls_of_a_part_are_never_taken_for_those_of_the_whole():
    # Nothing watches the part: its call must still not be counted as the first one of the root.
    sites = [("doubled", DOUBLED, {"": ("only",)})]
    root = Wrapped(Caller((3.0,)), lambda inner, x: engine_cases.doubled(inner(x), by=5.0))
    seen = observed(root, {"tap": "::doubled@only>out"}, X, sites=sites)
    assert torch.equal(seen["tap"], X * 15)


@pytest.mark.parametrize(("by", "part"), [((2.0, 3.0, 4.0), "call number 3"), ((2.0,), "1 calls")])
def test_a_call_more_or_less_than_declared_is_refused(by, part):
    sites = [("doubled", DOUBLED, {"": ("first", "second")})]
    with pytest.raises(IncompleteError) as caught:
        observed(Caller(by), {"tap": "::doubled@first>out"}, X, sites=sites)
    assert one_line(caught.value, "doubled", part)
    assert engine_cases.doubled is doubled


def test_a_function_that_no_module_of_the_site_calls_passes_through():
    sites = [("doubled", DOUBLED, {"parts.0": ("only",)})]
    seen = observed(Caller((2.0,), Caller((3.0,))), {"tap": "parts.0::doubled@only>in.x"}, X, sites=sites)
    assert torch.equal(seen["tap"], X * 2)


def test_every_hook_records_under_its_own_name():
    assert_own_names()


def assert_own_names():
    torch.manual_seed(0)
    root = nn.Sequential(*(nn.Linear(3, 3) for _ in range(40)))
    expected, x = {}, X
    for i, layer in enumerate(root):
        x = layer(x).detach()
        expected[f"tap{i}"] = x
    seen = observed(root, {f"tap{i}": f"{i}>out" for i in range(40)}, X)
    assert len({tuple(value.flatten().tolist()) for value in expected.values()}) == 40
    assert list(seen) == list(expected)
    assert all(torch.equal(seen[name], expected[name]) for name in expected)


def test_the_law_of_own_names_can_fail(monkeypatch):
    def wrong_name(self, name, value):
        self._seen.add(name)
        return self._visitor.visit(self._expected[-1 - self._expected.index(name)], value)

    monkeypatch.setattr(Probe, "_show", wrong_name)
    with pytest.raises(AssertionError):
        assert_own_names()


def test_the_live_module_is_read_not_what_it_was_built_from():
    root = Tower(1)
    ports = {"first": "blocks.0.first>out", "scale": "blocks.0>attr.scale", "bias": "blocks.0.first>attr.bias"}
    tokens = torch.ones(1, 4)
    before = observed(root, ports, tokens)
    with torch.no_grad():
        root.blocks[0].first.bias.add_(1.0)
    root.blocks[0].scale = 0.125
    after = observed(root, ports, tokens)
    assert torch.allclose(after["first"] - before["first"], torch.ones(1, 4))
    assert (before["scale"].item(), after["scale"].item()) == (0.5, 0.125)
    assert torch.equal(after["bias"], before["bias"] + 1)


def test_constants_are_reached_through_objects_that_are_no_modules():
    root = Tower(1)
    root.config = {"sizes": [Record(7)]}
    assert observed(root, {"tap": "config.sizes.0>attr.tokens"}, torch.ones(1, 4))["tap"].item() == 7


@pytest.mark.parametrize("value", ["text", None, {"a": 1}, object()])
def test_a_constant_that_is_no_number_is_refused(value):
    root = Tower(1)
    root.config = value
    with pytest.raises(IncompleteError) as caught:
        observed(root, {"tap": ">attr.config"}, torch.ones(1, 4))
    assert one_line(caught.value, "tap", type(value).__name__)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int32, torch.bool])
def test_what_is_recorded_keeps_its_dtype(dtype):
    root = Shapes(lambda a: a)
    root.register_buffer("table", X.to(dtype))
    seen = observed(root, {"in": ">in.a", "out": ">out", "table": ">attr.table"}, X.to(dtype))
    assert {name: tensor.dtype for name, tensor in seen.items()} == dict.fromkeys(("in", "out", "table"), dtype)


def test_changing_a_tensor_in_place_later_does_not_change_what_was_recorded():
    assert_safe_from_changes_in_place()


def assert_safe_from_changes_in_place():
    root = Wrapped(Shapes(lambda a: a), lambda inner, x: inner(x).add_(100))
    seen = observed(root, {"in": "inner>in.a", "out": "inner>out", "end": ">out"}, X.clone())
    assert torch.equal(seen["in"], X)
    assert torch.equal(seen["out"], X)
    assert torch.equal(seen["end"], X + 100)


def test_the_law_of_changes_in_place_can_fail(monkeypatch):
    monkeypatch.setattr(Recorder, "visit", lambda self, name, tensor: self.recording.update({name: tensor}))
    with pytest.raises(AssertionError):
        assert_safe_from_changes_in_place()


def test_capturing_changes_no_bit_of_the_outputs():
    torch.manual_seed(0)
    root, tokens = Tower(), torch.randn(2, 3, 4)
    results = [root(tokens)]
    ports = {f"{i}.{p}": f"blocks.{i}>{p}" for i in range(3) for p in ("in.tokens", "out")}
    with Probe(root, "own", plan_of(ports), Recorder()):
        results.append(root(tokens))
    assert torch.equal(*results)
    assert results[1].grad_fn is not None


def test_a_method_of_a_class_can_be_watched(monkeypatch):
    class Kernel:
        def apply(self, x):
            return x + 1

    monkeypatch.setattr(engine_cases, "Kernel", Kernel, raising=False)
    original = vars(Kernel)["apply"]
    root = Shapes(lambda a: Kernel().apply(a))
    sites = [("apply", "engine_cases:Kernel.apply", {"": ("only",)})]
    seen = observed(root, {"in": "::apply@only>in.x", "out": "::apply@only>out"}, X, sites=sites)
    assert torch.equal(seen["out"], seen["in"] + 1)
    assert vars(Kernel)["apply"] is original
