"""The ensemble of LTX-2.3: other inputs, inputs moved by half a unit, passes in one batch."""

from collections.abc import Iterator

import pytest
import torch

from parity.ltx23.stage import SEED, Case
from parity.ltx23.stages import CASES, stage_of
from parity.ltx23.terms import input_seed, inputs_from
from parity.ltx23.variants import MOVED, Joined, half_ulp, members
from parity.ltx23.world import World, sha256
from parity.metrics import compare
from parity.run.forward import Mode, observe

BF16 = torch.bfloat16
# Cases that run only when named are of stages that others stand for.
TINY = [case for case in CASES.values() if not case.real_size and not case.thorough]
# What these run on is prompts, schedules, or sizes and times.
NOT_DRAWN = {"text-prompts", "text-no-start", "denoise-schedule", "latents-sizes"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as found:
        yield found


def drawn(world: World, case: Case, seed: int) -> dict[str, torch.Tensor]:
    """Give the inputs of a case: tensors, and the bytes of files that are inputs, hashed."""
    world.inputs = seed
    found = {name: t for one in world.passes(case, case.dtypes[0]) for name, t in one.tensors().items()}
    for name in stage_of(case).drawn:
        found[name] = torch.tensor(bytearray.fromhex(sha256(world.files(case)[name])))
    return found


@pytest.mark.parametrize("case", TINY, ids=lambda case: case.id)
def test_another_seed_draws_other_inputs_of_the_same_shapes(world: World, case: Case) -> None:
    one, again, other = (drawn(world, case, seed) for seed in (SEED, SEED, SEED + 1))
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
    assert all(tensor.dtype == other[name].dtype for name, tensor in one.items())
    # Of a request that is hashed as text, only the text has another length.
    assert stage_of(case).id == "pipeline" or all(tensor.shape == other[name].shape for name, tensor in one.items())
    differ = [name for name, tensor in one.items() if not torch.equal(tensor, other[name])]
    assert bool(differ) == (case.id not in NOT_DRAWN)


def test_a_seed_holds_inside_its_block_alone() -> None:
    with inputs_from(5):
        assert input_seed() == 5
    assert input_seed() == SEED


@pytest.mark.parametrize("dtype", [BF16, torch.float32])
@pytest.mark.parametrize(
    "case", ["small", "latents-small", "text-small", "vae-small", "denoise-small", "vocoder-small"]
)
def test_moved_inputs_are_their_neighbours_half_of_the_time_and_nothing_else_moves(
    case: str, dtype: torch.dtype
) -> None:
    with World() as world:
        for one in world.passes(CASES[case], dtype):
            moved, follows = half_ulp(one, dtype, 1), one.to(torch.float64).tensors()
            changed = 0
            for name, tensor in one.tensors().items():
                new = moved.tensors()[name]
                assert new.dtype == tensor.dtype
                if tensor.dtype == follows[name].dtype:
                    assert torch.equal(new, tensor), name
                    continue
                up, down = (torch.nextafter(tensor, torch.full_like(tensor, to)) for to in (torch.inf, -torch.inf))
                stays = new == tensor
                assert ((new == up) | (new == down) | stays).all(), name
                assert stays[tensor == 0].all()
                if tensor.numel() > 500:
                    assert 0.4 < (~stays).float().mean() / (tensor != 0).float().mean() < 0.6
                changed += int((~stays).sum())
            assert bool(changed) == any(t.dtype != follows[n].dtype for n, t in one.tensors().items())


def test_other_seeds_move_inputs_otherwise() -> None:
    with World() as world:
        (one, *_) = world.passes(CASES["upsampler-small"], BF16)
        first, again, second = (half_ulp(one, BF16, seed).tensors() for seed in (1, 1, 2))
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert any(not torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_members_are_named_once_and_drawn_for_their_inputs() -> None:
    with World() as world:
        found = members(world, CASES["small"], BF16)
    names = [member.name for member in found]
    assert len(set(names)) == len(names)
    assert names[0] == "plain"
    assert {"kernel-math", "threads-2", "split-0", "wider-norms", "batched", *MOVED} <= set(names)
    assert {member.name for member in found if member.moved is not None} == set(MOVED)


@pytest.mark.parametrize("case", ["picture-small", "mp4-small", "lora-small", "denoise-schedule"])
def test_what_does_not_follow_the_working_precision_is_not_moved(world: World, case: str) -> None:
    found = members(world, CASES[case], BF16)
    assert all(member.moved is None for member in found)
    assert "together" in {member.name for member in found}
    assert not {"inputs-0", "inputs-1"} & {member.name for member in found}


@pytest.mark.reference
def test_joined_passes_show_what_the_single_ones_do() -> None:
    case = CASES["odd-config"]
    with World() as world:
        joined, reference, passes = Joined(world, case, BF16), world.official(case, BF16), world.forwards(case, BF16)
        assert joined.possible
        alone = [observe(reference, one) for one in passes]
        for mode in Mode:
            together = joined.observe(reference, passes, mode, alone)
            for one, own, part in zip(passes, alone, together, strict=True):
                assert list(part) == list(one.plan.names)
                errors = {name: compare(part[name], own[name]).relative_l2 for name in own}
                assert max(errors.values()) < 0.02, max(errors, key=errors.__getitem__)


@pytest.mark.reference
def test_nothing_of_a_candidates_own_comes_through_a_joined_batch_that_is_fed_the_references_values() -> None:
    """Where one pass alone does not show a tap, either."""
    case = CASES["odd-config"]
    with World() as world, World() as other:
        joined, reference, passes = Joined(world, case, BF16), world.official(case, BF16), world.forwards(case, BF16)
        candidate = other.official(case, BF16)
        with torch.no_grad():
            candidate.root.velocity_model.transformer_blocks[0].attn1.to_out[0].bias.add_(1.0)
        alone = [observe(reference, one) for one in passes]
        plain, wrong = (joined.observe(one, passes, Mode.ISOLATED, alone) for one in (reference, candidate))
        differ = {name for own, its in zip(plain, wrong, strict=True) for name in own if not own[name].equal(its[name])}
    assert {name.split(".", 2)[2] for name in differ} == {"block00.video.self_attn.out"}


def test_passes_of_different_kinds_are_not_joined() -> None:
    with World() as world:
        assert not Joined(world, CASES["streams"], BF16).possible
        assert not Joined(world, CASES["batched"], BF16).possible, "one pass is no batch of passes"
        assert not Joined(world, CASES["upsampler-sizes"], BF16).possible
