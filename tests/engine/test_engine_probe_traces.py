"""The probe leaves nothing behind, and refuses what does not fit its plan."""

import engine_cases
import pytest
import torch
from engine_cases import DOUBLED, Caller, Tower, Wrapped, doubled, observed, one_line, plan_of
from torch import nn

from parity.capture import Probe, Recorder
from parity.capture.probe import hooks_of
from parity.errors import BadInputError, IncompleteError

X = torch.arange(6, dtype=torch.float32).reshape(2, 3)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_the_probe_whatever_happened(fails):
    def run(inner, x):
        x = inner(x)
        if fails:
            raise ZeroDivisionError("mid pass")
        return x

    root = Wrapped(Caller((2.0,)), run)
    sites = [("doubled", DOUBLED, {"inner": ("only",)})]
    ports = {"a": "inner>out", "b": ">in.x", "c": "inner::doubled@only>out"}
    if fails:
        with pytest.raises(IncompleteError) as caught:
            observed(root, ports, X, sites=sites)
        assert one_line(caught.value, "ZeroDivisionError: mid pass")
    else:
        observed(root, ports, X, sites=sites)
    assert set(hooks_of(root).values()) == {0}
    assert engine_cases.doubled is doubled


def test_hooks_are_there_while_the_probe_is():
    root = Tower(1)
    with Probe(root, "own", plan_of({"tap": "blocks.0>out"}), Recorder()):
        assert hooks_of(root)["blocks.0"] == 2
        root(torch.ones(1, 4))
    assert set(hooks_of(root).values()) == {0}


def test_a_probe_that_cannot_be_set_up_leaves_nothing():
    root = Tower(1)
    plan = plan_of({"a": "blocks.0>out", "b": ">attr.absent"}, [("doubled", DOUBLED, {})])
    with pytest.raises(BadInputError) as caught, Probe(root, "own", plan, Recorder()):
        pass
    assert one_line(caught.value, "b", "'absent'")
    assert set(hooks_of(root).values()) == {0}
    assert engine_cases.doubled is doubled


def test_a_module_called_twice_is_refused():
    root = Wrapped(nn.Linear(3, 3), lambda inner, x: inner(inner(x)))
    with pytest.raises(IncompleteError) as caught:
        observed(root, {"tap": "inner>out"}, X)
    assert one_line(caught.value, "tap", "reached twice")


def test_a_module_that_is_not_called_is_refused():
    root = Wrapped(nn.Linear(3, 3), lambda inner, x: inner.forward(x))
    with pytest.raises(IncompleteError) as caught:
        observed(root, {"tap": "inner>out", "end": ">out"}, X)
    assert one_line(caught.value, "tap", "not reached (1 of 2 taps)")


@pytest.mark.parametrize(
    ("ports", "sites", "kind", "part"),
    [
        ({"tap": "absent>out"}, [], IncompleteError, "no module 'absent'"),
        ({"tap": "absent>attr.x"}, [], BadInputError, "'absent'"),
        ({"tap": ">out"}, [("f", DOUBLED, {"absent": ()})], IncompleteError, "call site 'absent'"),
        ({"tap": ">out"}, [("f", "engine_cases:absent", {})], BadInputError, "engine_cases:absent"),
        ({"tap": ">out"}, [("f", "absent_module:f", {})], BadInputError, "absent_module"),
        ({"tap": "::f@typo>out"}, [("f", DOUBLED, {"": ()})], IncompleteError, "not reached"),
        ({"tap": ">out.3.x"}, [], BadInputError, "'x'"),
        ({"tap": ">in.absent"}, [], BadInputError, "'absent'"),
        ({"tap": ">out.shape"}, [], IncompleteError, "a Size"),
    ],
)
def test_a_plan_that_does_not_fit_the_model_is_refused_in_one_line(ports, sites, kind, part):
    with pytest.raises(kind) as caught:
        observed(Tower(1), ports, torch.ones(5, 4), sites=sites)
    assert one_line(caught.value, part)


def test_a_model_that_fails_is_reported_in_one_line():
    def run(inner, x):
        raise RuntimeError("line one\nline two")

    with pytest.raises(IncompleteError) as caught:
        observed(Wrapped(nn.Linear(3, 3), run), {"tap": ">out"}, X)
    assert one_line(caught.value, "RuntimeError: line one")


def test_a_part_that_fails_and_is_caught_leaves_the_order_of_calls_right():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("handled")

    def run(inner, x):
        with pytest.raises(ValueError, match="handled"):
            inner[0](x)
        return inner[1](x)

    root = Wrapped(nn.ModuleList([Fails(), Caller((2.0,))]), run)
    sites = [("doubled", DOUBLED, {"inner.1": ("only",)})]
    seen = observed(root, {"tap": "inner.1::doubled@only>out", "end": ">out"}, X, sites=sites)
    assert torch.equal(seen["tap"], X * 2)


def twice(inner, x):
    return inner(inner(x))


def test_each_call_of_a_module_is_kept_by_its_number():
    inner = nn.Linear(3, 3)
    root = Wrapped(inner, twice)
    found = observed(root, {"first": "inner#0>out", "second": "inner#1>out", "again": "inner#1>in.input"}, X)
    with torch.no_grad():
        once = inner(X)
        assert torch.equal(found["first"], once)
        assert torch.equal(found["again"], once)
        assert torch.equal(found["second"], inner(once))


def test_a_numbered_call_that_does_not_come_is_refused():
    with pytest.raises(IncompleteError) as caught:
        observed(Wrapped(nn.Linear(3, 3), twice), {"a": "inner#0>out", "b": "inner#1>out", "c": "inner#2>out"}, X)
    assert one_line(caught.value, "c", "not reached")


def test_a_call_more_than_the_numbered_ones_is_refused():
    with pytest.raises(IncompleteError) as caught:
        observed(Wrapped(nn.Linear(3, 3), twice), {"a": "inner#0>out"}, X)
    assert one_line(caught.value, "inner", "call number 2", "1 calls")
