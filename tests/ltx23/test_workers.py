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
from parity.run.record import CaseResult

RECORDED = RunRequest(reference="recorded", release="1.0.0", cases=("lora-small",), threads=1)
BENCH = Bench("cpu", None, "auto", 1, RECORDINGS)
JOBS = [Job("recorded", CASES["lora-small"], dtype) for dtype in (torch.float32, torch.bfloat16)]


def test_two_processes_find_what_one_finds() -> None:
    one, two = (to_document(as_report(BINDING.run(replace(RECORDED, jobs=jobs)))) for jobs in (1, 2))
    assert one == two


def test_a_job_keeps_what_was_there_before_out_of_collections_and_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spared: list[int] = []
    run_job = suites._run_job

    def watched(*arguments: Any) -> CaseResult:
        spared.append(gc.get_freeze_count())
        return run_job(*arguments)

    monkeypatch.setattr(suites, "_run_job", watched)
    run_here(JOBS, BENCH, budgets_of_all_stages(), silent)
    assert min(spared) > 10_000
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
    here, shared = budgets_of_all_stages(), budgets_of_all_stages()
    run_here(JOBS, BENCH, here, silent)
    run_shared(JOBS, BENCH, shared, silent, 2)
    assert here.used == shared.used != frozenset()


def test_what_a_worker_refuses_arrives_as_it_was_said(tmp_path: Path) -> None:
    lost = replace(BENCH, recordings=tmp_path)
    with pytest.raises(BadInputError, match="No such file") as refusal:
        run_shared(JOBS, lost, budgets_of_all_stages(), silent, 2)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", [BadInputError, IncompleteError])
def test_an_error_is_made_again_from_its_parts(kind: type[BadInputError]) -> None:
    error = copy.copy(kind("here", "this", "that", "do so"))
    assert type(error) is kind
    assert (error.where, error.got, error.expected, error.next_step) == ("here", "this", "that", "do so")
