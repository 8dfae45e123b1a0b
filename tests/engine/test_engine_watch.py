"""The watch shows what a probe shows, for less, and leaves nothing behind either."""

from dataclasses import dataclass

import engine_cases
import pytest
import torch
from engine_cases import DOUBLED, Caller, Shapes, Tower, Wrapped, doubled, one_line, plan_of
from torch import nn

from parity.capture import Probe, Recorder, Watch
from parity.capture.probe import hooks_of
from parity.errors import IncompleteError

X = torch.arange(6, dtype=torch.float32).reshape(2, 3)


@dataclass
class Record:
    tokens: torch.Tensor


def shown(kind, root, ports, *inputs, sites=()):
    recorder = Recorder()
    with torch.no_grad(), kind(root, "own", plan_of(ports, sites), recorder):
        root(*inputs)
    return recorder.recording


def tower_ports():
    ports = {f"{i}.{p}": f"blocks.{i}>{p}" for i in range(3) for p in ("in.tokens", "out")}
    return {**ports, "first": "blocks.0.first>out", "scale": "blocks.1>attr.scale", "bias": "blocks.2.first>attr.bias"}


@pytest.mark.parametrize(
    ("root", "ports", "sites"),
    [
        (Wrapped(Shapes(lambda a: a), lambda inner, x: inner(x)), {"a": "inner>in.a", "b": "inner>out"}, ()),
        (Wrapped(Shapes(lambda a: a), lambda inner, x: inner(a=x)), {"a": "inner>in.a", "b": "inner>in.0"}, ()),
        (Wrapped(Shapes(lambda a: a), lambda inner, x: inner({"k": [0, x]})), {"a": "inner>in.a.k.1"}, ()),
        (Wrapped(Shapes(lambda a: a), lambda inner, x: inner(0, b=x)), {"a": "inner>in.b"}, ()),
        (Wrapped(Shapes(lambda a: a), lambda inner, x: inner(0, 1, x)), {"a": "inner>in.rest.1"}, ()),
        (Wrapped(Shapes(lambda a: a), lambda inner, x: inner(0, z=x)), {"a": "inner>in.named.z"}, ()),
        (Wrapped(Shapes(lambda a: [{"k": Record(a)}]), lambda inner, x: inner(x)), {"a": "inner>out.0.k.tokens"}, ()),
        (Shapes(lambda a: a + 1), {"a": ">in.a", "b": ">out"}, ()),
        (
            Wrapped(nn.Linear(3, 3), lambda inner, x: inner(inner(x))),
            {"a": "inner#0>out", "b": "inner#1>out", "c": "inner#1>in.input"},
            (),
        ),
        (
            Caller((2.0, 5.0)),
            {"a": "::doubled@first>in.x", "b": ">out"},
            [("doubled", DOUBLED, {"": ("first", "second")})],
        ),
    ],
)
def test_a_watch_shows_what_a_probe_shows(root, ports, sites):
    watched, probed = (shown(kind, root, ports, X, sites=sites) for kind in (Watch, Probe))
    assert list(watched) == list(probed)
    assert all(torch.equal(watched[name], probed[name]) for name in probed)
    assert engine_cases.doubled is doubled


def test_constants_are_shown_as_well():
    root, tokens = Tower(), torch.randn(2, 3, 4)
    watched, probed = (shown(kind, root, tower_ports(), tokens) for kind in (Watch, Probe))
    assert watched.keys() == probed.keys()
    assert all(torch.equal(watched[name], probed[name]) for name in probed)


def test_watching_changes_no_bit_of_the_outputs_and_puts_no_hook():
    root, tokens = Tower(), torch.randn(2, 3, 4)
    plain = root(tokens)
    with Watch(root, "own", plan_of(tower_ports()), Recorder()):
        assert set(hooks_of(root).values()) == {0}
        assert torch.equal(root(tokens), plain)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_a_watch_whatever_happened(fails):
    root = Tower(2)
    own = root.blocks[1].forward
    root.blocks[1].forward = own
    before = [dict(module.__dict__) for module in root.modules()]
    ports = {"a": "blocks.0>out", "b": "blocks.1>out", "c": "blocks.1.first>in.input"}
    if fails:
        with pytest.raises(ZeroDivisionError), Watch(root, "own", plan_of(ports), Recorder()):
            raise ZeroDivisionError
    else:
        shown(Watch, root, ports, torch.ones(1, 4))
    assert [module.__dict__.keys() for module in root.modules()] == [found.keys() for found in before]
    assert root.blocks[1].__dict__["forward"] is own


def test_a_module_called_twice_is_refused():
    root = Wrapped(nn.Linear(3, 3), lambda inner, x: inner(inner(x)))
    with pytest.raises(IncompleteError) as caught:
        shown(Watch, root, {"tap": "inner>out"}, X)
    assert one_line(caught.value, "tap", "reached twice")


@pytest.mark.parametrize(
    ("ports", "part"),
    [
        ({"a": "inner#0>out", "b": "inner#1>out", "c": "inner#2>out"}, "not reached"),
        ({"a": "inner#0>out"}, "call number 2"),
    ],
)
def test_numbered_calls_are_counted(ports, part):
    with pytest.raises(IncompleteError) as caught:
        shown(Watch, Wrapped(nn.Linear(3, 3), lambda inner, x: inner(inner(x))), ports, X)
    assert one_line(caught.value, part)


@pytest.mark.parametrize("port", ["inner>out", "inner>in.input"])
def test_what_is_no_tensor_is_refused(port):
    root = Wrapped(Shapes(lambda a: "text"), lambda inner, x: inner("text"))
    with pytest.raises(IncompleteError) as caught:
        shown(Watch, root, {"tap": port.replace("input", "a")}, X)
    assert one_line(caught.value, "tap", "a str")


@pytest.mark.parametrize("port", ["inner>out", "inner>in.input"])
def test_a_visitor_that_replaces_values_is_refused(port):
    class Replacing:
        def visit(self, name, tensor):
            return tensor + 1

    root = Wrapped(nn.Linear(3, 3), lambda inner, x: inner(x))
    with pytest.raises(IncompleteError) as caught, Watch(root, "own", plan_of({"tap": port}), Replacing()):
        root(X)
    assert one_line(caught.value, "tap", "replaces values")


def test_a_module_that_is_not_called_is_refused():
    root = Wrapped(nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)]), lambda inner, x: inner[0](x))
    with pytest.raises(IncompleteError) as caught:
        shown(Watch, root, {"a": "inner.0>out", "b": "inner.1>out"}, X)
    assert one_line(caught.value, "b", "not reached (1 of 2 taps)")


@pytest.mark.parametrize("kind", [Watch, Probe])
def test_several_passes_may_be_watched_and_each_must_be_whole(kind):
    root, tokens = Tower(2), torch.randn(2, 3, 4)
    seen = []

    class Noting:
        def visit(self, name, tensor):
            seen.append(name)

    ports = {"a": "blocks.0>out", "b": "blocks.1>out", "scale": "blocks.1>attr.scale"}
    with kind(root, "own", plan_of(ports), Noting()) as probe:
        root(tokens)
        probe.next_pass()
        root(tokens)
        probe.next_pass()
        root.blocks[0](tokens)
        with pytest.raises(IncompleteError, match="not reached"):
            probe.next_pass()
        root.blocks[1](tokens)
    assert seen == ["scale", "a", "b", "a", "b", "a", "b"]


@pytest.mark.parametrize("kind", [Watch, Probe])
def test_what_a_visitor_calls_for_itself_is_no_part_of_the_pass(kind):
    """A visitor may use the very function that is watched: padding, say, to read a tensor in whole blocks."""

    class Using:
        def __init__(self):
            self.seen = {}

        def visit(self, name, tensor):
            self.seen[name] = float(engine_cases.doubled(tensor).sum())

    plan = plan_of(
        {"a": "::doubled@first>out", "b": "::doubled@second>out", "c": "parts.0>out", "d": "parts.0>in.a"},
        [("doubled", DOUBLED, {"": ("first", "second")})],
    )
    module, visitor = Caller((3.0,), Shapes(lambda a: a)), Using()
    with kind(module, "own", plan, visitor):
        module(torch.ones(2))
    assert visitor.seen == {"a": 12.0, "d": 12.0, "c": 12.0, "b": 36.0}
