"""Blocks whose weights come in turn: the bits of weights that stay, one block at a time, and no pass without them."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from parity.binding import RunRequest, WeightsForm, silent
from parity.errors import BadInputError
from parity.judge import Verdict
from parity.lockstep import judge_in_lockstep
from parity.ltx23 import binding
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.stages import CASES, FAULTS
from parity.ltx23.suites import Job, run_job
from parity.ltx23.synthetic import streamed
from parity.ltx23.synthetic.resident import ResidentWeights
from parity.ltx23.synthetic.room import Needs, require_room
from parity.ltx23.synthetic.streamed import StreamedWeights, block_of
from parity.ltx23.synthetic.turns import Part, Turns
from parity.ltx23.world import Variation, World
from parity.run.forward import Forward, Implementation, Mode, observe, watch
from parity.run.judging import Bar
from parity.run.record import ForwardResult

CASE, BF16 = CASES["lockstep"], torch.bfloat16
BUDGETS = BINDING.budgets()
Sides = tuple[Implementation, Implementation]


def sides_of(world: World) -> Sides:
    return world.port(CASE, BF16), world.official(CASE, BF16)


def first_pass(world: World) -> Forward:
    return world.forwards(CASE, BF16)[0]


def weights_of(world: World) -> StreamedWeights:
    (weights,) = world._weights.values()
    assert isinstance(weights, StreamedWeights)
    return weights


def blocks_of(side: Implementation) -> list[nn.Module]:
    return list(max((m for m in side.root.modules() if isinstance(m, nn.ModuleList)), key=len))


def counter(*sides: Implementation, first: bool = False) -> Callable[[], int]:
    """Counts the blocks of which a weight (or the first one) takes up memory, whoever holds it."""
    weights = [
        (number, tensor)
        for side in sides
        for number, block in enumerate(blocks_of(side))
        for tensor in list(block.parameters())[: 1 if first else None]
    ]
    return lambda: len({number for number, t in weights if t.untyped_storage().nbytes() > t.itemsize})


def judged(
    sides: Sides, forward: Forward, seen: Callable[[int], None] = lambda _: None, modes: tuple[Mode, ...] = ()
) -> ForwardResult:
    bar = Bar("exact", CASE.id, BUDGETS, BF16, modes or (Mode.CHAINED,), every_mode=bool(modes))
    return judge_in_lockstep(*sides, forward, bar, seen)


def first_over(world: World) -> str:
    found = judged(sides_of(world), first_pass(world))
    return next(tap.place.tap for tap in found.taps if tap.verdict is Verdict.OVER)


def run(world: World) -> None:
    run_job(Job("exact", CASE, BF16, passes=("pass_cond",), lockstep=True), world, BUDGETS, silent, RECORDINGS)


@pytest.fixture
def world() -> Iterator[World]:
    with World(weights=WeightsForm.STREAMED) as made:
        yield made


@pytest.mark.reference
@pytest.mark.parametrize("dtype", [BF16, torch.float32], ids=str)
def test_streamed_blocks_show_the_bits_of_weights_that_stay(world: World, dtype: torch.dtype) -> None:
    with World() as plain:
        forward = plain.forwards(CASE, dtype)[0]
        for side in (World.port, World.official):
            expected, found = (observe(side(one, CASE, dtype), forward) for one in (plain, world))
            assert found.keys() == expected.keys() == set(forward.plan.names)
            assert [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])] == []
    assert (weights_of(world).turns.most, weights_of(world).turns.resident) == (1, 0)


@pytest.mark.reference
def test_side_by_side_two_blocks_are_there_at_most(world: World) -> None:
    sides, counts = sides_of(world), set[int]()
    there = counter(*sides, first=True)
    found = judged(sides, first_pass(world), lambda _: counts.add(there()), tuple(Mode))
    assert {tap.verdict for tap in found.taps} == {Verdict.IDENTICAL}
    assert {tap.place.mode for tap in found.taps} == {mode.value for mode in Mode}
    assert max(counts) in (1, 2)
    assert counter(*sides)() == weights_of(world).turns.resident == 0


@pytest.mark.parametrize("side", [World.port, pytest.param(World.official, marks=pytest.mark.reference)])
def test_alone_one_block_is_there(world: World, side: Callable[..., Implementation]) -> None:
    class Counting:
        def visit(self, name: str, tensor: Tensor) -> None:
            counts[name] = there()

    implementation, counts = side(world, CASE, BF16), dict[str, int]()
    there = counter(implementation, first=True)
    watch(implementation, first_pass(world), Counting())
    assert {count for name, count in counts.items() if name.endswith("self_attn.q")} == {1}
    assert set(counts.values()) == {0, 1}
    assert counter(implementation)() == 0


@pytest.mark.reference
def test_a_fault_shows_in_streamed_blocks_as_in_others() -> None:
    fault = FAULTS["A1"]
    with World(variation=Variation(fault), weights=WeightsForm.STREAMED) as world:
        assert first_over(world).endswith(fault.first_tap)


class BrokenError(Exception):
    pass


@pytest.mark.reference
@pytest.mark.parametrize("which", [0, 1], ids=["candidate", "reference"])
def test_nothing_stays_when_either_fails_inside_of_a_block(world: World, which: int) -> None:
    """The other one is then abandoned wherever it stands, by what is no `Exception`."""
    sides = sides_of(world)
    forward = first_pass(world)
    inner = [module for module in blocks_of(sides[which])[2].modules() if isinstance(module, nn.Linear)][3]

    def fails(*_: object) -> None:
        counts.append(there())
        raise BrokenError("broken")

    there, counts = counter(*sides), list[int]()
    hook = inner.register_forward_pre_hook(fails)
    assert "broken" in judged(sides, forward).incomplete[0]
    assert set(counts) <= {1, 2}
    assert counts
    assert there() == weights_of(world).turns.resident == 0
    hook.remove()
    assert {tap.verdict for tap in judged(sides, forward).taps} == {Verdict.IDENTICAL}


def _no_refill(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(streamed, "_put", lambda places, tensors: None)


def _one_missing(patch: pytest.MonkeyPatch) -> None:
    put = streamed._put
    patch.setattr(streamed, "_put", lambda places, tensors: put(places[:-1], tensors))


def _never_streamed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StreamedWeights, "stream", lambda self, root: self._void_last())


@pytest.mark.reference
@pytest.mark.parametrize("forget", [_no_refill, _one_missing, _never_streamed])
def test_what_was_not_filled_is_never_a_pass(
    world: World, forget: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides lack the same numbers, and show the same bits."""
    forget(monkeypatch)
    assert ".block00." in first_over(world)


def test_stand_ins_are_numbers_for_their_loader_alone(world: World) -> None:
    world.checkpoint(CASE)
    weights = weights_of(world)
    first, second = [key for key in weights.keys() if block_of(key) == 3][:2]  # noqa: SIM118
    read = weights.read(first, "cpu", torch.float32)
    assert read.shape == weights.shape(first)
    assert (read.dtype, read.untyped_storage().nbytes(), bool((read == 0).all())) == (torch.float32, 4, True)
    weights.read(second, "cpu")
    assert bool(read.isnan().all())


def test_a_copy_of_a_stand_in_is_refused(world: World) -> None:
    """Its weights would never come."""
    model = nn.ModuleDict({"block": nn.Linear(1, 1)})
    world.checkpoint(CASE)
    weights = weights_of(world)
    key = next(key for key in weights.keys() if block_of(key) == 0)  # noqa: SIM118
    model["block"].weight = nn.Parameter(weights.read(key, "cpu").clone(), requires_grad=False)
    with pytest.raises(BadInputError, match="no parameter of the loaded implementation"):
        weights.stream(model)


def test_blocks_that_are_no_modules_of_their_own_are_refused(world: World) -> None:
    model = nn.Module()
    world.checkpoint(CASE)
    weights = weights_of(world)
    for number in (0, 1):
        key = next(key for key in weights.keys() if block_of(key) == number)  # noqa: SIM118
        setattr(model, f"weight{number}", nn.Parameter(weights.read(key, "cpu"), requires_grad=False))
    with pytest.raises(BadInputError, match="weights of several blocks"):
        weights.stream(model)


def test_weights_that_were_moved_since_are_refused(world: World) -> None:
    port = world.port(CASE, BF16)
    blocks_of(port)[1].to(torch.float64)
    with pytest.raises(BadInputError, match=r"block 1: .* not where it was left"):
        observe(port, first_pass(world))
    assert counter(port)() == 1
    assert weights_of(world).turns.resident == 0


@pytest.mark.reference
@pytest.mark.parametrize("form", [WeightsForm.SHARED, WeightsForm.STREAMED])
def test_a_fault_in_weights_that_both_hold_is_refused(form: WeightsForm) -> None:
    """It would be planted in the reference as well, or be gone at the next turn."""
    with World(variation=Variation(FAULTS["P28"]), weights=form) as world, pytest.raises(BadInputError, match="P28"):
        run(world)


PART = Part(0, torch.float32)


def make(key: str, dtype: torch.dtype) -> Tensor:
    return torch.ones(2, dtype=dtype) * 3


def test_a_block_is_made_for_the_first_and_stays_until_the_last() -> None:
    turns = Turns(make, {0: ("a",), 1: ("b",)})
    turns.enter(PART)
    first = turns.tensors(PART)["a"]
    turns.enter(PART)
    assert turns.tensors(PART)["a"] is first
    turns.enter(Part(1, torch.float32))
    turns.leave(PART)
    assert (turns.resident, turns.most) == (2, 2)
    turns.leave(Part(1, torch.float32))
    turns.leave(PART)
    assert (turns.resident, turns.most) == (0, 2)
    turns.enter(PART)
    assert turns.tensors(PART)["a"] is not first


def test_a_block_that_cannot_be_made_is_nobodys() -> None:
    turns = Turns(lambda key, dtype: make(key, dtype) * torch.inf, {0: ("key",)})
    for _ in range(2):
        with pytest.raises(BadInputError, match="key: NaN or infinity"):
            turns.enter(PART)
        assert turns.resident == 0


def test_what_one_side_is_set_to_does_not_reach_what_both_use() -> None:
    class Seen(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            raise AssertionError(function)

    turns = Turns(make, {0: ("a",)})
    with torch.inference_mode(), Seen():
        turns.enter(PART)
        assert torch.is_inference_mode_enabled()
    made = turns.tensors(PART)["a"]
    assert not made.is_inference()
    assert made.tolist() == [3, 3]


GIB = 2**30


@pytest.fixture(scope="module")
def real() -> Needs:
    with World() as world:
        world.checkpoint(CASES["lockstep-121x512x768"])
        (weights,) = world._weights.values()
        return Needs.of(weights, BF16, sides=2)


def test_the_real_model_needs_two_blocks_where_it_needed_two_copies(real: Needs) -> None:
    assert len(real.blocks) == 48
    told = {form.value: round(nbytes / GIB, 1) for form, nbytes in real.forms.items()}
    assert told == {"copies": 70.7, "shared": 35.4, "streamed": 2.2}
    assert WeightsForm.SHARED not in Needs(1, (1,), sides=1).forms


@pytest.mark.parametrize(
    ("form", "free", "line"),
    [
        ("copies", 40, "real on cuda: 40.0 GiB free; expected 70.7 GiB for weights in the form copies; "
         "give --weights shared, which takes 35.4 GiB"),
        ("shared", 20, "real on cuda: 20.0 GiB free; expected 35.4 GiB for weights in the form shared; "
         "give --weights streamed, which takes 2.2 GiB"),
        ("streamed", 2, "real on cuda: 2.0 GiB free; expected 2.2 GiB for weights in the form streamed; "
         "use a device with more memory"),
        ("copies", 71, None), ("shared", 36, None), ("streamed", 3, None),
    ],
)  # fmt: skip
def test_too_little_room_is_one_line_with_the_form_that_fits(
    real: Needs, form: str, free: int, line: str | None
) -> None:
    if line is None:
        require_room("real on cuda", WeightsForm(form), real, free * GIB)
        return
    with pytest.raises(BadInputError) as raised:
        require_room("real on cuda", WeightsForm(form), real, free * GIB)
    assert str(raised.value) == line


@pytest.mark.reference
def test_room_is_asked_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[str]()
    monkeypatch.setattr(ResidentWeights, "read", lambda self, key, *_: read.append(key))
    with (
        World(free=lambda device: 1000) as world,
        pytest.raises(BadInputError, match=r"lockstep on cpu: 0\.0 GiB free"),
    ):
        run(world)
    assert read == []


def test_what_is_loaded_already_needs_no_more_room() -> None:
    free: list[int | None] = [None]
    with World(free=lambda device: free[0]) as world:
        world.port(CASE, BF16)
        free[0] = 0
        world.require_room(CASE, BF16, sides=2)
        with pytest.raises(BadInputError):
            world.require_room(CASE, torch.float32, sides=2)
        world.clear()
        with pytest.raises(BadInputError):
            world.require_room(CASE, BF16, sides=2)


@pytest.mark.parametrize("form", WeightsForm)
def test_the_record_of_a_run_names_the_form(form: WeightsForm) -> None:
    told = binding._provenance(RunRequest(lockstep=True, weights=form), [("exact", "1.0.0")])
    assert told["lockstep"] == f"weights made on the device: {form.value}"
