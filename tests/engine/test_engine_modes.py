"""The three modes: where a planted fault shows, and how much a block amplifies what it receives."""

import math

import pytest
import torch
from engine_cases import call, one_line, point, tower_forward, tower_plan, towers
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from parity.capture import Forcing, Recorder, forced
from parity.errors import IncompleteError
from parity.run.forward import Forward, Implementation, Mode, observe
from parity.run.gain import block_gains
from parity.run.judging import same_bits
from parity.taps import TapPlan

FAULT = "block1.first"


def differing(mode):
    """Plant a fault in one layer of the second block, and give the taps that show one."""
    candidate, reference = towers()
    with torch.no_grad():
        candidate.layers[1].up.weight[0, 0] += 0.25
    forward = tower_forward()
    values = observe(Implementation("ref", reference, call), forward)
    own = observe(Implementation("own", candidate, call), forward, mode, values)
    assert list(own) == list(values) == list(forward.plan.names)
    return [name for name in forward.plan.names if not same_bits(own[name], values[name])]


def test_without_a_fault_the_modes_agree_bit_for_bit():
    candidate, reference = towers()
    forward = tower_forward()
    values = observe(Implementation("ref", reference, call), forward)
    for mode in Mode:
        own = observe(Implementation("own", candidate, call), forward, mode, values)
        assert all(same_bits(own[name], values[name]) for name in forward.plan.names)


def test_chained_a_fault_shows_in_everything_after_it():
    names = tower_plan().names
    assert differing(Mode.CHAINED) == list(names[names.index(FAULT) :])


def test_teacher_forced_a_fault_shows_up_to_where_the_next_block_receives_it():
    # What reaches the next block is recorded before it is replaced, so the boundary still shows the fault.
    assert differing(Mode.TEACHER_FORCED) == [FAULT, "block1.second", "block1.out", "block2.in"]


def test_isolated_a_fault_shows_only_where_it_was_born():
    assert differing(Mode.ISOLATED) == [FAULT]


def test_the_law_of_isolation_can_fail(monkeypatch):
    monkeypatch.setattr("parity.run.forward.forced", lambda recorder, forcing: recorder)
    assert differing(Mode.ISOLATED) != [FAULT]


@pytest.mark.parametrize("port", [">in.0", ">in.tokens"])
def test_an_input_is_forced_whether_it_is_tapped_by_name_or_by_number(port):
    _, reference = towers(1)
    plan = TapPlan((point("in", boundary=True, own=f"blocks.0{port}"), point("out", own="blocks.0>out")))
    forced_value = torch.full((1, 4), 3.0)
    forward = Forward("toy", (torch.ones(1, 4),), plan)
    seen = observe(Implementation("own", reference, call), forward, Mode.TEACHER_FORCED, {"in": forced_value})
    assert torch.equal(seen["in"], torch.ones(1, 4))
    assert torch.equal(seen["out"], reference.blocks[0](forced_value))


def test_forcing_never_reaches_back_into_the_values_that_were_forced():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.mul_(2)

    plan = TapPlan((point("in", boundary=True, own="0>in.x"), point("out", own="0>out")))
    values = {"in": torch.ones(3)}
    root = Implementation("own", nn.Sequential(InPlace()), call)
    observe(root, Forward("toy", (torch.zeros(3),), plan), Mode.TEACHER_FORCED, values)
    assert torch.equal(values["in"], torch.ones(3))


def test_constants_are_never_forced():
    _, reference = towers(1)
    plan = TapPlan((point("scale", own="blocks.0>attr.scale"), point("out", own="blocks.0>out")))
    seen = observe(
        Implementation("own", reference, call), Forward("toy", (torch.ones(1, 4),), plan), Mode.ISOLATED,
        {"out": torch.zeros(1, 4)},
    )  # fmt: skip
    assert seen["scale"].item() == reference.blocks[0].scale


@pytest.mark.parametrize(
    ("values", "part"), [({}, "no value to force"), ({"tap": torch.zeros(3)}, "forced value of shape (3,)")]
)
def test_nothing_to_force_or_something_of_another_shape_is_refused(values, part):
    visitor = forced(Recorder(), Forcing(frozenset({"tap"}), values))
    with pytest.raises(IncompleteError) as caught:
        visitor.visit("tap", torch.zeros(2))
    assert one_line(caught.value, "tap", part)


def test_a_forced_value_is_widened_without_loss():
    value = torch.tensor([1.5, -0.0, 3e-39]).to(torch.bfloat16)
    visitor = forced(Recorder(), Forcing(frozenset({"tap"}), {"tap": value}))
    new = visitor.visit("tap", torch.zeros(3, dtype=torch.float32))
    assert new.dtype is torch.float32
    assert torch.equal(new, value.float())


class Scale(nn.Module):
    """A linear block: times a factor, and off by an error of its own."""

    def __init__(self, factor, error=0.0):
        super().__init__()
        self.factor, self.error = factor, error

    def forward(self, x):
        return x * self.factor + self.error


def gains(factors, errors):
    """Measure the gains of a chain of linear blocks, each of which adds an error to what it hands on."""
    plan = TapPlan(
        tuple(
            tap
            for i in range(len(factors))
            for tap in (
                point(f"{i}.in", f"block{i}", boundary=True, own=f"{i}>in.x"),
                point(f"{i}.out", f"block{i}", output=True, own=f"{i}>out"),
            )
        )
    )
    forward = Forward("toy", (torch.tensor([1.0, -2.0, 4.0], dtype=torch.float64),), plan)
    reference = Implementation("own", nn.Sequential(*(Scale(f) for f in factors)), call)
    candidate = Implementation("own", nn.Sequential(*map(Scale, factors, errors)), call)
    values = observe(reference, forward)
    modes = [observe(candidate, forward, mode, values) for mode in (Mode.CHAINED, Mode.TEACHER_FORCED)]
    return block_gains(plan, *modes, values)


def test_a_block_that_doubles_an_error_has_a_gain_of_two_to_the_scale_of_its_output():
    # An error is taken relative to the tensor that carries it: doubling both leaves it as it was.
    found = gains((1.0, 2.0, 1.0), (0.25, 0.0, 0.0))
    assert set(found) == {"block1", "block2"}
    assert math.isclose(found["block1"], 1.0)


def test_a_block_that_doubles_an_error_but_not_what_carries_it_has_a_gain_of_two():
    class DoublesError(nn.Module):
        def forward(self, x):
            return BASE + 2 * (x - BASE)

    plan = TapPlan((point("in", "b", boundary=True, own="0>in.x"), point("out", "b", output=True, own="0>out")))
    fed = {"in": BASE}
    root = Implementation("own", nn.Sequential(DoublesError()), call)
    forward = Forward("toy", (BASE + torch.tensor([0.5, 0.0, 0.25], dtype=torch.float64),), plan)
    chained, taught = observe(root, forward), observe(root, forward, Mode.TEACHER_FORCED, fed)
    assert math.isclose(block_gains(plan, chained, taught, fed)["b"], 2.0)


BASE = torch.tensor([1.0, -2.0, 4.0], dtype=torch.float64)


def test_the_error_that_the_block_before_adds_counts_as_received():
    # Seen before it is replaced, the input of the last block differs by nothing that the first one amplified.
    found = gains((1.0, 1.0, 1.0), (0.0, 0.5, 0.0))
    assert set(found) == {"block2"}
    assert math.isclose(found["block2"], 1.0)


@given(st.lists(st.floats(0.5, 4), min_size=3, max_size=5), st.floats(0.01, 1))
def test_no_gain_is_told_for_a_block_that_received_no_error(factors, error):
    errors = [0.0] * len(factors)
    errors[-1] = error
    assert gains(factors, errors) == {}
