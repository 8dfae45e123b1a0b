"""Side by side: the same verdicts as one after the other, in either order of taps, and nothing left behind."""

from contextlib import ExitStack

import engine_cases
import pytest
import torch
from engine_cases import DOUBLED, EXACT, WIDTH, Caller, budgets, call, doubled, one_line, point, tower_forward, towers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode

from parity.capture.probe import hooks_of
from parity.errors import IncompleteError
from parity.judge import Verdict
from parity.lockstep import judge_all_in_lockstep, judge_in_lockstep, readers
from parity.lockstep.exchange import Exchange, Shown
from parity.lockstep.identity import IdentityCheck
from parity.lockstep.readers import read_one_by_one
from parity.metrics import CompareOptions, compare_equal, equal_by_norm
from parity.metrics import codec as metrics_codec
from parity.run.forward import Forward, Implementation, Mode, watch
from parity.run.judging import Bar, judge_forward
from parity.run.oracle import LiveOracle
from parity.taps import CallSite, TapPlan


def silent(_seen):
    pass


def sides(*faults, depth=3, dtype=torch.float32):
    candidate, reference = towers(depth, dtype)
    with torch.no_grad():
        for layer in faults:
            candidate.layers[layer].up.weight[0, 0] += 0.25
    return Implementation("own", candidate, call), Implementation("ref", reference, call)


def bar(tmp_path, modes=tuple(Mode), every_mode=False):
    return Bar("toy", "case", budgets(tmp_path, EXACT), torch.float32, modes, every_mode)


def placed(result):
    """What was judged, but for the figures of identical taps, whose norms are taken in another precision."""
    return [
        (tap.place, tap.verdict, None if tap.verdict is Verdict.IDENTICAL else tap.measurement) for tap in result.taps
    ]


def untouched(*implementations):
    """Whether nothing is left on the modules: no wrapped forward, no hook."""
    return not any(
        "forward" in vars(module) or any(hooks_of(module).values())
        for side in implementations
        for module in side.root.modules()
    )


@pytest.mark.parametrize("faults", [(), (1,), (0, 2)])
@pytest.mark.parametrize("every_mode", [False, True])
def test_side_by_side_is_judged_as_one_after_the_other(tmp_path, faults, every_mode):
    own, reference = sides(*faults)
    forward = tower_forward()
    expected = judge_forward(own, LiveOracle(reference, forward), forward, bar(tmp_path, every_mode=every_mode))
    found = judge_in_lockstep(own, reference, forward, bar(tmp_path, every_mode=every_mode), silent)
    assert placed(found) == placed(expected)
    assert found.incomplete == expected.incomplete == ()
    assert untouched(own, reference)


def test_identical_passes_run_once_and_others_in_every_mode(tmp_path):
    calls = []

    def counted(module, inputs):
        calls.append(module)
        module(*inputs)

    own, reference = sides()
    counting = Implementation("own", own.root, counted)
    judge_in_lockstep(counting, reference, tower_forward(), bar(tmp_path), silent)
    assert len(calls) == 1
    own, reference = sides(1)
    calls.clear()
    judge_in_lockstep(Implementation("own", own.root, counted), reference, tower_forward(), bar(tmp_path), silent)
    assert len(calls) == 1 + len(Mode)


def test_progress_counts_the_taps(tmp_path):
    seen = []
    judge_in_lockstep(*sides(), tower_forward(), bar(tmp_path), seen.append)
    assert seen == list(range(1, len(tower_forward().plan.taps) + 1))


class Ordered(nn.Module):
    """Runs its parts in an order, and works in place on what each of them showed."""

    def __init__(self, order):
        super().__init__()
        self.order, self.parts = order, nn.ModuleList(nn.Identity() for _ in order)

    def forward(self, x):
        for index in self.order:
            shown = x * (index + 1.0)
            self.parts[index](shown)
            shown.zero_()


@given(st.permutations(range(5)), st.permutations(range(5)))
@settings(deadline=None, max_examples=30)
def test_the_order_of_taps_may_differ_and_work_in_place_does_no_harm(own, reference):
    plan = TapPlan(tuple(point(str(i), own=f"parts.{i}>out", ref=f"parts.{i}>out") for i in range(5)))
    forward = Forward("toy", (torch.ones(3),), plan)

    def check():
        def run(visitor):
            watch(Implementation("ref", Ordered(reference), call), forward, visitor)

        with Exchange(run) as exchange:
            found = [(index, float(exchange.take(str(index)).tensor[0])) for index in own]
            exchange.finish()
        return found

    assert check() == [(index, index + 1.0) for index in own]


def test_a_reference_far_ahead_is_refused():
    def run(visitor):
        for index in range(100):
            visitor.visit(str(index), torch.zeros(256))

    with Exchange(run, most_bytes=10 * 1024) as exchange, pytest.raises(IncompleteError) as caught:
        exchange.take("99")
    assert one_line(caught.value, "bytes ahead of 99", "10,240")


def test_a_reference_that_lacks_a_tap_is_incomplete(tmp_path):
    own, reference = sides()
    more = point("more", own="layers.0>out.x", ref="blocks.7>out")
    forward = Forward("toy", tower_forward().inputs, TapPlan((*tower_forward().plan.taps, more)))
    result = judge_in_lockstep(own, reference, forward, bar(tmp_path, (Mode.CHAINED,)), silent)
    assert any("blocks.7" in line for line in result.incomplete)
    assert untouched(own, reference)


@pytest.mark.parametrize("side", ["own", "ref"])
def test_an_implementation_that_fails_is_incomplete_and_the_other_is_stopped(tmp_path, side):
    own, reference = sides()

    def failing(module, inputs):
        module(*inputs)
        raise ValueError("out of order\nfor good")

    broken = {"own": own, "ref": reference}
    broken[side] = Implementation(side, broken[side].root, failing)
    result = judge_in_lockstep(broken["own"], broken["ref"], tower_forward(), bar(tmp_path), silent)
    assert any(f"{side}, toy: ValueError: out of order" in line for line in result.incomplete)
    assert all(len(line.splitlines()) == 1 for line in result.incomplete)
    assert untouched(own, reference)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_candidate_that_fails_half_way_leaves_no_reference_standing(tmp_path, mode):
    own, reference = sides()

    def failing(*_):
        raise ValueError("half way")

    own.root.layers[1].down.forward = failing
    result = judge_in_lockstep(own, reference, tower_forward(), bar(tmp_path, (mode,)), silent)
    del own.root.layers[1].down.forward
    assert any("half way" in line for line in result.incomplete)
    assert untouched(own, reference)


def test_a_tap_of_another_shape_or_dtype_is_incomplete_and_the_others_are_judged(tmp_path):
    own, reference = sides()
    inner = own.root.layers[2].down
    plain = inner.forward
    inner.forward = lambda x: plain(x).double()
    result = judge_in_lockstep(own, reference, tower_forward(), bar(tmp_path, (Mode.CHAINED,)), silent)
    assert any("block2.second" in line and "torch.float64" in line for line in result.incomplete)
    assert "block2.first" in {tap.place.tap for tap in result.taps}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_on_both_sides_are_no_pass(tmp_path, bad):
    own, reference = sides()
    tokens = torch.full((2, 3, WIDTH), bad)
    forward = Forward("toy", (tokens,), tower_forward().plan)
    result = judge_in_lockstep(own, reference, forward, bar(tmp_path, (Mode.CHAINED,)), silent)
    assert result.taps
    assert all(tap.verdict is Verdict.OVER for tap in result.taps)


def test_functions_that_both_patch_are_whole_again(tmp_path):
    site = CallSite("doubled", DOUBLED, {"": ("first", "second")})
    plan = TapPlan(
        (
            point("a", own="::doubled@first>out", ref="::doubled@first>out"),
            point("b", own="::doubled@second>out", ref="::doubled@second>out"),
        ),
        {"own": (site,), "ref": (site,)},
    )
    forward = Forward("toy", (torch.ones(2),), plan)
    for factors in ((2.0, 5.0), (2.0, 6.0)):
        own, ref = Implementation("own", Caller(factors), call), Implementation("ref", Caller((2.0, 5.0)), call)
        result = judge_in_lockstep(own, ref, forward, bar(tmp_path, (Mode.CHAINED,)), silent)
        verdicts = [tap.verdict is Verdict.IDENTICAL for tap in result.taps]
        assert verdicts == [True, factors == (2.0, 5.0)]
        assert engine_cases.doubled is doubled


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(5, 7, generator=torch.Generator().manual_seed(0)),
        torch.randn(40, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16),
        torch.arange(12).reshape(3, 4),
        torch.tensor([True, False, True]),
        torch.zeros(4, dtype=torch.float64),
        torch.tensor(3.0),
    ],
)
def test_a_comparison_by_norm_is_that_of_a_tensor_with_itself(tensor):
    expected = metrics_codec.encode(compare_equal(tensor, CompareOptions(name="x")))
    check = IdentityCheck()
    check.ask("x", tensor, shown(tensor.clone()))
    found = metrics_codec.encode(check.answer()["x"])
    for key, tolerance in (("norm_candidate", 1e-5), ("norm_reference", 1e-5), ("cosine", 1e-15)):
        assert found.pop(key) == pytest.approx(expected.pop(key), rel=tolerance)
    assert found == expected


def test_an_empty_tensor_is_not_identical_to_anything():
    empty = torch.zeros(0, 3)
    assert repr(equal_by_norm((0, 3), torch.float32, 0.0)) == repr(compare_equal(empty, CompareOptions(name="x")))


def test_a_small_tensor_whose_squares_float32_does_not_hold_is_read_once():
    mask = torch.full((4,), torch.finfo(torch.bfloat16).min, dtype=torch.bfloat16)
    check = IdentityCheck()
    check.ask("bias", mask, shown(mask.clone()))
    assert check.again() == frozenset()
    assert check.answer()["bias"].norm_reference == pytest.approx(2 * float(mask[0].abs()), rel=1e-12)


@given(st.integers(0, 4), st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool]))
@settings(deadline=None)
def test_one_bit_anywhere_is_a_difference(place, dtype):
    left = torch.zeros(5, dtype=dtype)
    right = left.clone()
    right[place] = True if dtype is torch.bool else -0.0 if dtype.is_floating_point else 1
    check = IdentityCheck()
    check.ask("same", left, shown(left.clone()))
    assert check.answer() is not None
    check.ask("other", left, shown(right))
    assert check.answer() is None


def shown(tensor):
    return Shown(tensor, tensor._version)


@pytest.mark.parametrize("bad", [None, float("nan")])
def test_a_norm_beyond_float32_is_summed_again_in_float64(bad, monkeypatch):
    monkeypatch.setattr(readers, "SMALL", 0)
    huge = torch.full((4,), torch.finfo(torch.bfloat16).min, dtype=torch.bfloat16)
    if bad is not None:
        huge[1] = bad
    check = IdentityCheck()
    check.ask("bias", huge, shown(huge.clone()))
    assert check.answer() is None
    assert check.again() == {"bias"}
    wider = IdentityCheck(check.again())
    wider.ask("bias", huge, shown(huge.clone()))
    if bad is not None:
        assert wider.answer() is None
    else:
        assert wider.answer()["bias"].norm_reference == pytest.approx(2 * float(huge[0].abs()), rel=1e-12)


def test_a_tap_that_is_changed_after_it_was_shown_is_asked_again_at_once():
    own, reference = torch.ones(4), torch.ones(4)
    check = IdentityCheck()
    check.ask("kept", torch.ones(2), shown(torch.ones(2)))
    check.ask("reused", own, shown(reference))
    own.zero_()
    assert check.again() == {"reused"}
    assert check.answer() is None
    with_care = IdentityCheck(check.again())
    own.fill_(1.0)
    with_care.ask("reused", own, shown(reference))
    own.zero_()
    assert with_care.again() == frozenset()
    assert with_care.answer()["reused"].norm_reference == pytest.approx(2.0)


class Reusing(nn.Module):
    """Shows a tensor, and works in place on it afterwards."""

    def __init__(self):
        super().__init__()
        self.shown, self.last = nn.Identity(), nn.Identity()

    def forward(self, x):
        first = self.shown(x * 2.0)
        self.last(first.add_(1.0))


def test_passes_that_work_in_place_are_compared_as_shown(tmp_path):
    plan = TapPlan(tuple(point(name, own=f"{name}>out", ref=f"{name}>out") for name in ("shown", "last")))
    forward = Forward("toy", (torch.ones(3),), plan)
    own, reference = Implementation("own", Reusing(), call), Implementation("ref", Reusing(), call)
    result = judge_in_lockstep(own, reference, forward, bar(tmp_path, (Mode.CHAINED,)), silent)
    norms = {tap.place.tap: tap.measurement.comparison.norm_reference for tap in result.taps}
    assert norms == {"shown": pytest.approx(12**0.5), "last": pytest.approx(27**0.5)}
    assert {tap.verdict for tap in result.taps} == {Verdict.IDENTICAL}


def require_compared_as_shown(tmp_path, kind):
    """The reference is ahead of the candidate, and both write to what they have shown."""
    plan = TapPlan(tuple(point(str(i), own=f"parts.{i}>out", ref=f"parts.{i}>out") for i in range(5)))
    forward = Forward("toy", (torch.ones(3),), plan)
    own = Implementation("own", kind([4, 3, 2, 1, 0]), call)
    reference = Implementation("ref", kind([0, 1, 2, 3, 4]), call)
    result = judge_in_lockstep(own, reference, forward, bar(tmp_path, (Mode.CHAINED,)), silent)
    norms = {tap.place.tap: tap.measurement.comparison.norm_reference for tap in result.taps}
    assert norms == {str(i): pytest.approx((i + 1) * 3**0.5) for i in range(5)}
    assert {tap.verdict for tap in result.taps} == {Verdict.IDENTICAL}


def test_a_reference_that_is_ahead_and_works_in_place_is_compared_as_shown(tmp_path):
    require_compared_as_shown(tmp_path, Ordered)


@pytest.mark.parametrize("faults", [(), (1,)])
def test_passes_judged_together_come_out_as_alone(tmp_path, faults):
    own, reference = sides(*faults)
    forwards = [Forward(f"pass {i}", (torch.randn(2, WIDTH) + i,), tower_forward().plan) for i in range(3)]
    seen = []
    held = bar(tmp_path)
    together = list(judge_all_in_lockstep(own, reference, forwards, held, lambda f, n: seen.append((f.name, n))))
    assert [repr(found) for found in together] == [
        repr(judge_in_lockstep(own, reference, forward, held, silent)) for forward in forwards
    ]
    assert {name for name, _ in seen} == {forward.name for forward in forwards}
    assert all(found.taps for found in together)


@pytest.mark.parametrize("most_bytes", [1, 100, 10**6])
def test_what_is_held_is_read_in_any_number_of_parts(most_bytes):
    check = IdentityCheck(most_bytes=most_bytes)
    for index in range(9):
        check.ask(str(index), torch.full((3,), float(index)), shown(torch.full((3,), float(index))))
    found = check.answer()
    assert [found[str(i)].norm_reference for i in range(9)] == pytest.approx([i * 3**0.5 for i in range(9)])


@pytest.mark.gpu
def test_one_launch_reads_what_torch_reads():
    batched = pytest.importorskip("parity.lockstep.batched")
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for size in (1, 7, 4096, 4097, 3_000_001):
        for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64, torch.bool):
            own = (torch.randn(size, generator=generator) * 3).to(dtype).cuda()
            other = own.clone()
            pairs.append((own, other))
            last = other.clone()
            last[-1] = True if dtype is torch.bool else last[-1] + 1
            pairs.append((own, last))
    huge = torch.full((5000,), torch.finfo(torch.bfloat16).min, dtype=torch.bfloat16, device="cuda")
    pairs += [(huge, huge.clone()), (huge.float() * 0.5, huge.float() * 0.5)]
    pairs.append((torch.ones(8, 4, device="cuda").T, torch.ones(4, 8, device="cuda")))
    expected, found = read_one_by_one(pairs, torch.float32), batched.read_batched(pairs, torch.float32)
    assert torch.equal(found.differ != 0, expected.differ != 0)
    assert torch.allclose(found.squares, expected.squares, rtol=1e-4)
    assert (found.differ != 0).any()
    assert not (found.differ != 0).all()


def test_nothing_asked_is_no_answer():
    assert IdentityCheck().answer() is None


class Doubling(TorchFunctionMode):
    """Doubles what `sin` gives."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        return found * 2 if func is torch.sin else found


class Within(nn.Module):
    """Shows three steps, each within something that it has set for its thread."""

    def __init__(self, *settings):
        super().__init__()
        self.settings, self.parts = settings, nn.ModuleList(nn.Identity() for _ in range(3))

    def forward(self, x):
        with ExitStack() as stack:
            for setting in self.settings:
                stack.enter_context(setting())
            for part in self.parts:
                x = part(torch.sin(x) @ torch.ones(3, 3))
        return x


SETTINGS = {
    "a mode": Doubling,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "gradients": torch.enable_grad,
    "inference": torch.inference_mode,
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("side", ["own", "ref", "both"])
def test_what_one_side_sets_for_its_thread_is_not_set_for_the_other(tmp_path, setting, side):
    """The order of taps differs, so that each side goes on while the other stands within what it has set."""
    plan = TapPlan(tuple(point(str(i), own=f"parts.{i}>out", ref=f"parts.{2 - i}>out") for i in range(3)))
    forward = Forward("toy", (torch.full((3, 3), 0.3),), plan)
    chosen = {name: [SETTINGS[setting]] if side in (name, "both") else [] for name in ("own", "ref")}
    own = Implementation("own", Within(*chosen["own"]), call)
    ref = Implementation("ref", Within(*chosen["ref"]), call)
    held = bar(tmp_path, (Mode.CHAINED,), every_mode=True)
    beside = judge_in_lockstep(own, ref, forward, held, silent)
    alone = judge_forward(own, LiveOracle(ref, forward), forward, held)
    assert placed(beside) == placed(alone)
    # Where one side alone rounds to another precision, both ways have to say so.
    assert beside.incomplete == alone.incomplete
    assert bool(beside.incomplete) is (setting == "autocast" and side != "both")
    assert not torch._C._len_torch_function_stack()
    assert not torch.is_autocast_enabled("cpu")
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert not (torch.ones(1) * 2).is_inference()


def test_inference_tensors_are_compared_as_shown(tmp_path):
    """Nobody counts the changes of these: they are read, and copied, at once."""

    class Inference(Ordered):
        @torch.inference_mode()
        def forward(self, x):
            super().forward(x)

    require_compared_as_shown(tmp_path, Inference)


def test_a_reference_that_is_stopped_within_a_mode_leaves_none():
    def run(visitor):
        with Doubling():
            visitor.visit("a", torch.zeros(2))
            visitor.visit("b", torch.zeros(2))

    with Exchange(run) as exchange:
        exchange.take("a")
        assert float(torch.sin(torch.ones(()))) == pytest.approx(0.8415, abs=1e-4)
    assert not torch._C._len_torch_function_stack()
