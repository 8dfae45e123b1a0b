"""The jobs of a run, one after the other here, or shared out among processes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import torch

from parity.binding import Progress, silent
from parity.judge import Budgets
from parity.ltx23.stages import CASES, FAULTS, budgets_of_all_stages
from parity.ltx23.suites import Job, run_job
from parity.ltx23.world import Variation, World
from parity.run.record import CaseResult


@dataclass(frozen=True)
class Bench:
    """Where jobs run: the device, how the candidate is varied, threads of each process, folder of recordings."""

    device: str
    fault: str | None
    attention: str
    threads: int | None
    recordings: Path

    def world(self, release: str) -> World:
        """Give a world under a release."""
        fault = FAULTS[self.fault] if self.fault is not None else None
        return World(torch.device(self.device), Variation(fault, self.attention), release)


def run_here(planned: Sequence[Job], bench: Bench, budgets: Budgets, progress: Progress) -> list[CaseResult]:
    """Run the jobs in this process; results in their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if bench.threads is None else bench.threads)
    try:
        found = dict(_results(planned, bench, budgets, progress))
    finally:
        torch.set_num_threads(before)
    return [found[job] for job in planned]


def _results(
    planned: Sequence[Job], bench: Bench, budgets: Budgets, progress: Progress
) -> Iterator[tuple[Job, CaseResult]]:
    for release, part in groupby(sorted(planned, key=lambda job: job.release), key=lambda job: job.release):
        with bench.world(release) as world:
            for job in part:
                yield job, run_job(job, world, budgets, progress, bench.recordings)
                if job.case.real_size:
                    world.clear()


def run_shared(
    planned: Sequence[Job], bench: Bench, budgets: Budgets, progress: Progress, processes: int
) -> list[CaseResult]:
    """Run the jobs in several processes; the results and the marks in `budgets` are those of `run_here`."""
    found: dict[int, CaseResult] = {}
    # A fork would copy torch's threads and locks in whatever state they are.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        orders = {pool.submit(_run_order, _Order.of(job), bench): number for number, job in enumerate(planned)}
        try:
            for future in as_completed(orders):
                result, used = future.result()
                found[orders[future]] = result
                budgets.mark(used)
                progress(planned[orders[future]].label, len(found), len(planned))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[number] for number in range(len(planned))]


@dataclass(frozen=True)
class _Order:
    """A job in plain words: a case is made of functions, which do not travel between processes."""

    suite: str
    case: str
    dtype: torch.dtype
    release: str
    passes: tuple[str, ...]

    @staticmethod
    def of(job: Job) -> "_Order":
        return _Order(job.suite, job.case.id, job.dtype, job.release, job.passes)

    def job(self) -> Job:
        return Job(self.suite, CASES[self.case], self.dtype, self.release, self.passes)


def _run_order(order: _Order, bench: Bench) -> tuple[CaseResult, frozenset[int]]:
    budgets = budgets_of_all_stages()
    (result,) = run_here([order.job()], bench, budgets, silent)
    return result, budgets.used
