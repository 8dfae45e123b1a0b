"""Jobs shared out among processes: the same results, in the same order, and errors that stay readable."""

import copy
import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from parity.binding import RunRequest, silent
from parity.errors import BadInputError, IncompleteError
from parity.ltx23 import suites, workers
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.stages import CASES, budgets_of_all_stages, chosen_cases, stage_of
from parity.ltx23.suites import Job, jobs
from parity.ltx23.workers import Bench, run_here, run_shared
from parity.report import as_report, to_document
from parity.run import collecting
from parity.run.record import CaseResult, ForwardResult

RECORDED = RunRequest(reference="recorded", release="1.0.0", cases=("lora-small", "picture-small"), threads=1)
BENCH = Bench("cpu", None, "auto", 1, RECORDINGS)
JOBS = [Job("recorded", CASES["lora-small"], dtype) for dtype in (torch.float32, torch.bfloat16)]
# Two stages: this process runs the jobs of the first, the other those of the second.
SHARED = [*JOBS, Job("recorded", CASES["picture-small"], torch.float32)]


def test_two_processes_find_what_one_finds() -> None:
    one, two = (to_document(as_report(BINDING.run(replace(RECORDED, jobs=jobs)))) for jobs in (1, 2))
    assert one == two


def test_a_job_keeps_what_was_there_before_out_of_collections_and_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Within what all tests run under, it would leave this to that.
    monkeypatch.setattr(collecting, "_SPARING", [])
    gc.unfreeze()
    spared: list[int] = []
    run_job = suites._run_job

    def watched(*arguments: Any) -> CaseResult:
        spared.append(gc.get_freeze_count())
        return run_job(*arguments)

    judged: list[int] = []
    judge_forward = suites.judge_forward

    def judging(*arguments: Any) -> ForwardResult:
        judged.append(gc.get_freeze_count())
        return judge_forward(*arguments)

    monkeypatch.setattr(suites, "_run_job", watched)
    monkeypatch.setattr(suites, "judge_forward", judging)
    run_here(JOBS, BENCH, budgets_of_all_stages(), silent)
    assert min(spared) > 10_000
    # What loading has brought is spared while passes run.
    assert judged[0] > spared[0]
    assert gc.get_freeze_count() == 0
    lost = replace(BENCH, recordings=Path("nowhere"))
    with pytest.raises(BadInputError):
        run_here(JOBS, lost, budgets_of_all_stages(), silent)
    assert gc.get_freeze_count() == 0


def test_every_job_is_shared_out_once_the_longest_cases_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LONGEST", {"vocoder"})
    planned = jobs([("exact", "1.0.0")], chosen_cases(), (), named=False)
    shares = workers._shares(planned)
    assert sorted(map(planned.index, (job for share in shares for job in share))) == list(range(len(planned)))
    stages = [{stage_of(job.case).id for job in share} for share in shares]
    assert all(len(stage) == 1 for stage in stages)
    assert stages[0] == {"vocoder"}
    assert stages[-1] == {"transformer"}
    for share, stage in zip(shares, stages, strict=True):
        if stage <= {"vocoder", "transformer"}:
            assert len({job.case.id for job in share}) == 1


def test_rows_that_a_worker_used_count_as_used() -> None:
    here, shared, own = (budgets_of_all_stages() for _ in range(3))
    run_here(SHARED, BENCH, here, silent)
    run_shared(SHARED, BENCH, shared, silent, 2)
    run_here(JOBS, BENCH, own, silent)
    assert here.used == shared.used
    assert frozenset() < own.used < shared.used


def test_what_a_worker_refuses_arrives_as_it_was_said_and_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here: list[str] = []

    def noted(planned: list[Job], *_: Any) -> list[CaseResult]:
        here.append(planned[0].case.id)
        return [CaseResult("", "", "", "", ())] * len(planned)

    # In this process alone: the other one finds no recordings.
    monkeypatch.setattr(workers, "run_here", noted)
    lost = replace(BENCH, recordings=tmp_path)
    with pytest.raises(BadInputError, match="No such file") as refusal:
        run_shared(SHARED, lost, budgets_of_all_stages(), silent, 2)
    assert "\n" not in str(refusal.value)
    assert here == ["lora-small"]


def test_what_this_process_refuses_leaves_the_others_nothing_to_begin_with(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Job] = []
    order = workers._Order.of

    def refusing(*_: Any) -> list[CaseResult]:
        raise BadInputError("here", "this", "that", "do so")

    monkeypatch.setattr(workers, "run_here", refusing)
    monkeypatch.setattr(workers._Order, "of", lambda job: begun.append(job) or order(job))
    cases = ("lora-small", "picture-small", "latents-small", "denoise-schedule")
    with pytest.raises(BadInputError, match="expected that; do so"):
        run_shared(
            [Job("recorded", CASES[case], torch.float32) for case in cases], BENCH, budgets_of_all_stages(), silent, 2
        )
    assert [job.case.id for job in begun] == ["picture-small"]


@pytest.mark.parametrize("kind", [BadInputError, IncompleteError])
def test_an_error_is_made_again_from_its_parts(kind: type[BadInputError]) -> None:
    error = copy.copy(kind("here", "this", "that", "do so"))
    assert type(error) is kind
    assert (error.where, error.got, error.expected, error.next_step) == ("here", "this", "that", "do so")
