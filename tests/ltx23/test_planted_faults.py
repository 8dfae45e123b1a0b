"""Each known fault, planted in the port: over budget, and the first tap named is the faulty module's."""

import pytest
import torch

from parity.binding import silent
from parity.errors import ExitCode
from parity.judge import TapResult, Verdict
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.cases import TRANSFORMER_CASES
from parity.ltx23.faults import FAULTS, Fault
from parity.ltx23.suites import Job, run_job
from parity.ltx23.world import Variation, World
from parity.run.record import RunResult

pytestmark = pytest.mark.reference
REQUIRED = {"R1", "R2", "R5", "A1", "A4", "A6", "D1", "D4", "X1", "X2", "P4", "P28", "L7"}


def run(fault: Fault, suite: str) -> RunResult:
    """Judge the first pass of the fault's case."""
    job = Job(suite, TRANSFORMER_CASES[fault.case], torch.bfloat16, passes=("pass_cond",))
    with World(variation=Variation(fault)) as world:
        return RunResult((run_job(job, world, BINDING.budgets(), silent, RECORDINGS),), {})


def first_over(result: RunResult, mode: str) -> TapResult:
    return next(tap for tap in result.taps if tap.place.mode == mode and tap.verdict is Verdict.OVER)


def test_the_required_faults_are_registered() -> None:
    assert FAULTS.keys() >= REQUIRED


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_fault_is_over_budget_and_named_at_its_module(fault: Fault) -> None:
    result = run(fault, "exact")
    assert result.exit_code is ExitCode.OVER_BUDGET
    for mode in ("chained", "isolated"):
        assert first_over(result, mode).place.tap == f"transformer.pass_cond.{fault.first_tap}"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_drift_budgets_do_not_let_a_fault_through(fault: Fault) -> None:
    result = run(fault, "drift")
    assert result.exit_code is ExitCode.OVER_BUDGET
    assert first_over(result, "chained").place.tap == f"transformer.pass_cond.{fault.first_tap}"


def test_a_fault_of_configuration_shows_in_what_it_computes_too() -> None:
    """Not only in the resolved constant: the gate's embedding receives another number."""
    result = run(FAULTS["X1"], "exact")
    computed = next(t for t in result.taps if t.verdict is Verdict.OVER and ".config." not in t.place.tap)
    assert computed.place.tap == "transformer.pass_cond.video.av_gate_adaln.timestep"


def test_a_local_fault_is_born_in_one_module_only() -> None:
    """Isolated, a wrong head gate is over budget at head gates and nowhere else."""
    result = run(FAULTS["A1"], "exact")
    born = {
        t.place.tap.rsplit(".", 1)[1] for t in result.taps if t.place.mode == "isolated" and t.verdict is Verdict.OVER
    }
    assert born == {"gated"}
