"""The bands that come with the package: of every stage and release, small, whole, and narrow enough to tell a bug."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ltx_port.release import RELEASES
from parity.binding import silent
from parity.calibrate.bands_file import PLACES
from parity.calibrate.pooling import in_any_pass
from parity.calibrate.ratchet import refusals, stale
from parity.classify import Class, Classified
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.calibration import BAND_FILES, BUDGET_LOCK
from parity.ltx23.stages import CASES, FAULTS, STAGES, stage_of
from parity.ltx23.suites import Job, run_job
from parity.ltx23.world import Variation, World, dtype_named
from parity.report import as_report
from parity.run.forward import Mode
from parity.run.record import RunResult

# Under 1.2.0 whole generations are not calibrated: what differs there is incomplete.
MEASURED = {"1.0.0": set(STAGES), "1.2.0": STAGES.keys() - {"pipeline"}}
# All files together, in bytes.
MOST = 1_500_000
PROVENANCE = {"command", "created", "engine", "inputs", "machine", "members", "python", "threads", "torch", "truth"}


def committed() -> Iterator[Path]:
    return (path for stage in STAGES.values() for path in stage.budgets.parent.glob(BAND_FILES))


def test_there_are_bands_of_every_stage_that_was_calibrated_and_all_are_small() -> None:
    assert MEASURED.keys() == RELEASES.keys()
    assert MEASURED["1.0.0"] == STAGES.keys()
    found = [path.relative_to(path.parents[1]).as_posix() for path in committed()]
    assert sorted(found) == sorted(
        f"{stage}/bands-{release}.json" for release, stages in MEASURED.items() for stage in stages
    )
    assert sum(path.stat().st_size for path in committed()) < MOST


def test_a_file_says_what_it_was_measured_with() -> None:
    for path in committed():
        document = json.loads(path.read_bytes())
        assert path.name == f"bands-{document['release']}.json"
        assert path.parent.name == document["stage"]
        assert document["provenance"].keys() == PROVENANCE
        assert all(document["provenance"].values())
        assert "plain" in document["provenance"]["members"].split()


def calibrated(release: str) -> set[tuple[str, str]]:
    """Name every case with its precisions that has bands: all that run unasked, but for most whole generations."""
    return {
        (case.id, str(dtype).removeprefix("torch."))
        for case in CASES.values()
        for dtype in case.dtypes
        if not (case.real_size or case.thorough or case.resident)
        and (case.recorded or not case.id.startswith("pipeline"))
        and stage_of(case).id in MEASURED[release]
    }


@pytest.mark.parametrize("release", RELEASES)
def test_every_case_that_runs_unasked_has_bands_but_for_most_whole_generations(release: str) -> None:
    bands = BINDING.bands()
    every = {(case, dtype) for case in CASES for dtype in ("float32", "bfloat16")}
    assert {key for key in every if bands.for_case(*key, release).files} == calibrated(release)


@pytest.mark.parametrize("release", RELEASES)
def test_every_tap_of_a_calibrated_case_has_exactly_one_band(release: str) -> None:
    """Of the cases that are recorded or drift: a few of each stage."""
    bands = BINDING.bands()
    with World(release=release) as world:
        for name, dtype in sorted(calibrated(release)):
            if not (CASES[name].recorded or CASES[name].drifts):
                continue
            held = bands.for_case(name, dtype, release)
            forwards = world.forwards(CASES[name], dtype_named(dtype))
            for tap in {in_any_pass(tap) for forward in forwards for tap in forward.plan.names}:
                for mode, against in PLACES:
                    assert held.of(tap.replace("*", "x"), mode, dtype, "relative_l2", against).runs >= 30


def test_the_lock_of_the_budgets_is_theirs() -> None:
    """After a change of budgets: `ltx-parity calibrate --lock`, which refuses what is looser without a reason."""
    assert [str(refusal) for refusal in refusals(BINDING.budgets(), BUDGET_LOCK)] == []
    assert stale(BINDING.budgets(), BUDGET_LOCK) == []


def classes(job: Job, world: World) -> list[Classified]:
    result = RunResult((run_job(job, world, BINDING.budgets(), silent, RECORDINGS),), {})
    (case,) = as_report(result, BINDING.bands()).cases
    return [one for forward in case.forwards for one in forward.classes or ()]


@pytest.mark.reference
@pytest.mark.parametrize(
    ("identifier", "suite"), [("A1", "exact"), ("T8", "exact"), ("N1", "exact"), ("V2", "drift"), ("L2", "drift")]
)
def test_a_planted_fault_is_a_bug_where_it_is_made_and_only_drift_behind(identifier: str, suite: str) -> None:
    fault = FAULTS[identifier]
    modes = (Mode.CHAINED, Mode.ISOLATED)
    with World(variation=Variation(fault)) as world:
        found = classes(Job(suite, CASES[fault.case], fault.dtype, passes=(fault.forward,), modes=modes), world)
    bugs = [one.tap for one in found if one.kind is Class.BUG]
    assert bugs[0] == fault.tap
    assert {one.kind for one in found} <= {Class.IDENTICAL, Class.WITHIN_NOISE, Class.DRIFT, Class.BUG}
    for one in found:
        assert (one.behind is not None) == (one.kind is Class.DRIFT)


@pytest.mark.reference
def test_the_port_with_another_kernel_is_within_noise() -> None:
    with World(variation=Variation(attention="math")) as world:
        found = classes(Job("exact", CASES["small"], torch.bfloat16, passes=("pass_cond",)), world)
    assert {one.kind for one in found} == {Class.IDENTICAL, Class.WITHIN_NOISE}
