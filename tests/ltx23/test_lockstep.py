"""Port and running official code side by side, with weights that are in no file."""

import pytest
import torch

from parity.binding import RunRequest, WeightsForm, silent
from parity.errors import BadInputError, ExitCode
from parity.judge import Verdict
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.stages import CASES, FAULTS, Choice, chosen_cases
from parity.ltx23.stages.transformer import plan
from parity.ltx23.suites import Job, run_job
from parity.ltx23.synthetic.resident import ResidentWeights
from parity.ltx23.world import Variation, World
from parity.run.forward import Mode
from parity.run.record import RunResult

REAL = [case for case in CASES.values() if case.resident and case.real_size]
BF16 = torch.bfloat16


def run(job: Job, world: World) -> RunResult:
    return RunResult((run_job(job, world, BINDING.budgets(), silent, RECORDINGS),), {})


@pytest.mark.reference
@pytest.mark.parametrize("form", WeightsForm)
def test_a_guided_step_is_bit_identical_side_by_side(form: WeightsForm) -> None:
    with World(weights=form) as world:
        result = run(Job("exact", CASES["lockstep"], BF16, lockstep=True), world)
        declared = [tap for forward in world.forwards(CASES["lockstep"], BF16) for tap in forward.plan.names]
        sides = (world.port(CASES["lockstep"], BF16), world.official(CASES["lockstep"], BF16))
        port, official = ({p.data_ptr() for p in side.root.parameters()} for side in sides)
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence or result.incomplete
    assert [tap.place.tap for tap in result.taps] == declared
    assert {tap.verdict for tap in result.taps} == {Verdict.IDENTICAL}
    assert bool(port & official) is (form is not WeightsForm.COPIES)


@pytest.mark.reference
@pytest.mark.parametrize("case", ["denoise-small", "pipeline-hq-small", "vocoder-small", "vae-small", "text-small"])
def test_other_stages_are_bit_identical_side_by_side(case: str) -> None:
    """The official loops run in inference mode, and their arithmetic is shown by a mode of torch's."""
    with World() as world:
        result = run(Job("exact", CASES[case], BF16, lockstep=True), world)
        declared = [tap for forward in world.forwards(CASES[case], BF16) for tap in forward.plan.names]
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence or result.incomplete
    assert [tap.place.tap for tap in result.taps] == declared
    assert {tap.verdict for tap in result.taps} == {Verdict.IDENTICAL}


@pytest.mark.reference
@pytest.mark.parametrize("identifier", ["A1", "D1", "V2", "W1"])
def test_a_fault_is_named_side_by_side_as_it_is_one_by_one(identifier: str) -> None:
    fault = FAULTS[identifier]
    job = Job("exact", CASES[fault.case], fault.dtype, fault.release, (fault.forward,), lockstep=True)
    with World(variation=Variation(fault), release=fault.release) as world:
        result = run(job, world)
    for mode in (Mode.CHAINED, Mode.ISOLATED):
        over = [t for t in result.taps if t.place.mode == mode.value and t.verdict is Verdict.OVER]
        assert over[0].place.tap == fault.tap
    assert result.exit_code is ExitCode.OVER_BUDGET


def test_weights_made_on_the_device_are_those_of_the_file() -> None:
    with World() as world:
        world.checkpoint(CASES["lockstep"])
        (made,) = world._weights.values()
        assert isinstance(made, ResidentWeights)
        port = world.port(CASES["guided-b1"], BF16).root.state_dict()
        resident = world.port(CASES["lockstep"], BF16).root.state_dict()
        kept = world.checkpoint(CASES["lockstep"]).stat().st_size
    assert port.keys() == resident.keys()
    assert all(torch.equal(port[name], resident[name]) for name in port)
    assert kept < 100_000
    assert torch.equal(made.read_to_host(made.keys()[0], "cpu"), made.read(made.keys()[0], "cpu"))


def test_the_cases_of_real_size_have_the_tokens_of_real_clips() -> None:
    tokens = {}
    with World() as world:
        for case in REAL:
            setting = world.setting(case, BF16)
            first = next(iter(case.build(setting)))
            taps = plan(first, setting).names
            tokens[case.id] = (first.video.latent.shape[1], first.audio.latent.shape[1], first.video.context.shape[1])
            assert sum(".block47." in tap for tap in taps) == 126
            assert first.video.attention_mask is None
    assert tokens == {
        "lockstep-121x512x768": (6144, 126, 1024),
        "lockstep-121x1024x1536": (24576, 126, 1024),
        "lockstep-481x640x1024": (39040, 501, 1024),
    }


def test_resident_cases_run_in_lockstep_alone() -> None:
    assert not [case for case in chosen_cases() if case.resident]
    assert not [case for case in chosen_cases(Choice(real_size=True)) if case.resident]
    assert CASES["lockstep"] in chosen_cases(Choice(lockstep=True))
    with pytest.raises(BadInputError, match="add --live"):
        chosen_cases(Choice(ids=("lockstep",)))


def test_a_configuration_is_chosen_by_name() -> None:
    chosen = chosen_cases(Choice(stages=("transformer",), config="ltx-2.3-22b", lockstep=True))
    assert [case.id for case in chosen] == ["real-width", *(case.id for case in REAL)]
    with pytest.raises(BadInputError, match="tiny"):
        chosen_cases(Choice(config="ltx-3"))


@pytest.mark.parametrize(
    "request_",
    [RunRequest(lockstep=True, suites=("drift",)), RunRequest(lockstep=True, reference="recorded")],
    ids=["drift", "recorded"],
)
def test_what_is_not_live_cannot_run_side_by_side(request_: RunRequest) -> None:
    with pytest.raises(BadInputError, match="side by side"):
        BINDING.run(request_)
