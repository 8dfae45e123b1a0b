"""Every stage of the port and the running official code, tap by tap, bit by bit."""

from collections.abc import Iterator

import pytest
import torch

from parity.binding import RunRequest, silent
from parity.errors import ExitCode
from parity.judge import Verdict
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.stages import CASES, STAGES
from parity.ltx23.suites import Job, run_job
from parity.ltx23.world import World, dtype_named
from parity.run.record import RunResult

pytestmark = pytest.mark.reference
TINY = [(case.id, str(dtype).removeprefix("torch.")) for case in CASES.values()
        if not (case.real_size or case.resident) for dtype in case.dtypes]  # fmt: skip
DRIFTING = [case.id for case in CASES.values() if case.drifts]


@pytest.fixture(scope="module")
def files() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture
def world(files: World) -> World:
    """A world without models, that has the files of the cases before: those of several cases are the same."""
    files._models.clear()
    return files


@pytest.mark.parametrize(("case", "dtype"), TINY)
def test_every_tap_is_bit_identical(case: str, dtype: str, world: World) -> None:
    job = Job("exact", CASES[case], dtype_named(dtype))
    result = RunResult((run_job(job, world, BINDING.budgets(), silent, RECORDINGS),), {})
    declared = [tap for forward in world.forwards(job.case, job.dtype) for tap in forward.plan.names]
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence or result.incomplete
    assert {tap.verdict for tap in result.taps} == {Verdict.IDENTICAL}
    assert [tap.place.tap for tap in result.taps] == declared, "each declared tap is judged once"
    assert all(tap.measurement.comparison.elements > 0 for tap in result.taps)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_forced_with_the_reference_s_own_values_nothing_changes(dtype: str, world: World) -> None:
    """A run leaves the forced modes out where every bit is the same already; here they are all run."""
    job = Job("exact", CASES["small"], dtype_named(dtype), every_mode=True)
    result = RunResult((run_job(job, world, BINDING.budgets(), silent, RECORDINGS),), {})
    assert {tap.verdict for tap in result.taps} == {Verdict.IDENTICAL}
    assert len(result.taps) == 3 * len(BINDING.taps("small"))


@pytest.mark.parametrize("case", DRIFTING)
def test_the_port_drifts_no_more_than_the_reference_does(case: str) -> None:
    result = BINDING.run(RunRequest(suites=("drift",), cases=(case,)))
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence or result.incomplete


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_its_cases_of_each_kind(stage: str) -> None:
    cases = STAGES[stage].cases
    assert any(case.recorded for case in cases)
    # The official pipelines compute in bfloat16 alone: there is no float32 truth of a whole generation.
    assert any(case.drifts for case in cases) or stage == "pipeline"
    assert STAGES[stage].faults


@pytest.mark.slow
def test_two_blocks_at_real_width_are_bit_identical() -> None:
    """Two of the four passes; `ltx-parity run --real-size` runs them all, and every other stage at its real size."""
    job = Job("exact", CASES["real-width"], torch.bfloat16, passes=("pass_cond", "pass_stg"))
    with World() as world:
        result = RunResult((run_job(job, world, BINDING.budgets(), silent, RECORDINGS),), {})
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence or result.incomplete
    assert {tap.verdict for tap in result.taps} == {Verdict.IDENTICAL}
    assert sum(tap.measurement.comparison.elements for tap in result.taps) > 100_000_000


def test_activations_are_alive() -> None:
    """A tap that is all zeros, or the same everywhere, could not show a fault."""
    result = BINDING.run(RunRequest(suites=("exact",), cases=("guided-b1",), dtypes=("float32",)))
    dead = [
        tap.place.tap
        for tap in result.taps
        if tap.measurement.comparison.norm_reference == 0 and ".config." not in tap.place.tap
    ]
    assert dead == []
