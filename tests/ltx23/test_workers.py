"""Jobs shared out among processes: the same results, in the same order, and errors that stay readable."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from parity.binding import RunRequest, silent
from parity.errors import BadInputError, IncompleteError
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.stages import CASES, budgets_of_all_stages
from parity.ltx23.suites import Job
from parity.ltx23.workers import Bench, run_here, run_shared
from parity.report import as_report, to_document

RECORDED = RunRequest(reference="recorded", release="1.0.0", cases=("lora-small",), threads=1)
BENCH = Bench("cpu", None, "auto", 1, RECORDINGS)
JOBS = [Job("recorded", CASES["lora-small"], dtype) for dtype in (torch.float32, torch.bfloat16)]


def test_two_processes_find_what_one_finds() -> None:
    one, two = (to_document(as_report(BINDING.run(replace(RECORDED, jobs=jobs)))) for jobs in (1, 2))
    assert one == two


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
