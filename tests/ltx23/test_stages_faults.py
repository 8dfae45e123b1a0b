"""Each known fault, planted in the port: over budget, and the first tap named is the faulty module's."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ltx_port.release import RELEASES
from parity.binding import silent
from parity.errors import ExitCode
from parity.judge import TapResult, Verdict
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.fault import Fault
from parity.ltx23.stages import CASES, FAULTS
from parity.ltx23.suites import Job, run_job
from parity.ltx23.world import Variation, World
from parity.run.forward import Mode
from parity.run.record import RunResult

pytestmark = pytest.mark.reference
# Those of the list of real faults that touch what is ported so far.
REQUIRED = {
    "R1", "R2", "R5", "A1", "A4", "A6", "D1", "D4", "X1", "X2", "P4", "T6", "T8", "S7", "S8", "P12", "N1", "N4",
    "V2", "V3", "U1", "W1", "W7", "W9", "W10", "L2", "L7", "P28",
}  # fmt: skip
# Those of whole generations are judged once, as a user sees them: pipeline/test_pipeline_faults.py.
SINGLE = [fault for fault in FAULTS.values() if fault.stage != "pipeline"]
DRIFTING = sorted(fault.id for fault in FAULTS.values() if fault.stage == "transformer" and fault.suite == "exact")


Run = Callable[..., RunResult]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Judge the one pass that shows a fault; files and reference are those of the faults before, the port is not."""
    budgets = BINDING.budgets()
    with ExitStack() as stack:
        worlds = {release: stack.enter_context(World(release=release)) for release in RELEASES}

        def judge(fault: Fault, suite: str, *modes: Mode) -> RunResult:
            job = Job(suite, CASES[fault.case], fault.dtype, fault.release, (fault.forward,), modes=modes)
            worlds[fault.release].vary(Variation(fault))
            return RunResult((run_job(job, worlds[fault.release], budgets, silent, RECORDINGS),), {})

        yield judge


def first_over(result: RunResult, mode: str) -> TapResult:
    return next(tap for tap in result.taps if tap.place.mode == mode and tap.verdict is Verdict.OVER)


def test_the_required_faults_are_registered() -> None:
    assert FAULTS.keys() >= REQUIRED


def test_there_are_faults_of_our_own_beyond_the_list() -> None:
    own = [fault.id for fault in FAULTS.values() if fault.id.startswith("Z") and fault.stage != "transformer"]
    assert len(own) >= 15


@pytest.mark.parametrize("fault", SINGLE, ids=[fault.id for fault in SINGLE])
def test_a_fault_is_over_budget_and_named_at_its_module(fault: Fault, run: Run) -> None:
    result = run(fault, fault.suite, Mode.CHAINED, Mode.ISOLATED)
    assert result.exit_code is ExitCode.OVER_BUDGET, result.incomplete
    for mode in ("chained", "isolated"):
        assert first_over(result, mode).place.tap == fault.tap


@pytest.mark.parametrize("identifier", DRIFTING)
def test_drift_budgets_do_not_let_a_fault_through(identifier: str, run: Run) -> None:
    fault = FAULTS[identifier]
    result = run(fault, "drift", Mode.CHAINED)
    assert result.exit_code is ExitCode.OVER_BUDGET
    assert first_over(result, "chained").place.tap == fault.tap


def test_a_fault_of_configuration_shows_in_what_it_computes_too(run: Run) -> None:
    """Not only in the resolved constant: the gate's embedding receives another number."""
    result = run(FAULTS["X1"], "exact", Mode.CHAINED)
    computed = next(t for t in result.taps if t.verdict is Verdict.OVER and ".config." not in t.place.tap)
    assert computed.place.tap == "transformer.pass_cond.video.av_gate_adaln.timestep"


def test_a_local_fault_is_born_in_one_module_only(run: Run) -> None:
    """Isolated, a wrong head gate is over budget at head gates and nowhere else."""
    result = run(FAULTS["A1"], "exact", Mode.ISOLATED)
    born = {
        t.place.tap.rsplit(".", 1)[1] for t in result.taps if t.place.mode == "isolated" and t.verdict is Verdict.OVER
    }
    assert born == {"gated"}
