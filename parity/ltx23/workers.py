"""The jobs of a run, one after the other here, or shared out among processes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import torch

from parity.binding import Progress, WeightsForm, silent
from parity.blame import Explainer
from parity.judge import Budgets
from parity.ltx23.operations import operations
from parity.ltx23.stages import CASES, FAULTS, budgets_of_all_stages, stage_of
from parity.ltx23.suites import Job, run_job
from parity.ltx23.world import Variation, World
from parity.run.forward import Mode
from parity.run.record import CaseResult


@dataclass(frozen=True)
class Bench:
    """Where jobs run: the device, how the candidate is varied, threads of each process, folder of recordings.

    `weights` is the form of weights that are made on the device.
    """

    device: str
    fault: str | None
    attention: str
    threads: int | None
    recordings: Path
    weights: WeightsForm = WeightsForm.COPIES

    def world(self, release: str) -> World:
        """Give a world under a release."""
        fault = FAULTS[self.fault] if self.fault is not None else None
        return World(torch.device(self.device), Variation(fault, self.attention), release, self.weights)


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
    explainer = Explainer(operations())
    for release, part in groupby(sorted(planned, key=lambda job: job.release), key=lambda job: job.release):
        with bench.world(release) as world:
            for job in part:
                yield job, run_job(job, world, budgets, progress, bench.recordings, explainer)
                if job.case.real_size:
                    world.clear()


def run_shared(
    planned: Sequence[Job], bench: Bench, budgets: Budgets, progress: Progress, processes: int
) -> list[CaseResult]:
    """Run the jobs in several processes; the results and the marks in `budgets` are those of `run_here`."""
    found: dict[Job, CaseResult] = {}
    shares = _shares(planned)
    # A fork would copy torch's threads and locks in whatever state they are.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        orders = {pool.submit(_run_orders, [_Order.of(job) for job in part], bench): part for part in shares}
        try:
            for future in as_completed(orders):
                results, used = future.result()
                found |= dict(zip(orders[future], results, strict=True))
                budgets.mark(used)
                progress(orders[future][-1].label, len(found), len(planned))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[job] for job in planned]


def _shares(planned: Sequence[Job]) -> list[list[Job]]:
    """Cut the work up: jobs of one stage share what is imported, jobs of one case its files and models too.

    Two stages go case by case: the longest cases first, and the largest number of cases last, so that all processes end
    at about the same time.
    """
    first, whole, last = [], [], []
    for stage, part in groupby(planned, key=lambda job: stage_of(job.case).id):
        cases = [list(jobs) for _, jobs in groupby(part, key=lambda job: job.case.id)]
        if stage in _LONGEST:
            first += cases
        elif stage in _LARGE:
            last += cases
        else:
            whole.append([job for case in cases for job in case])
    return first + whole + last


# Each of its cases runs every stage.
_LONGEST = {"pipeline"}
# Its cases take several times as long as those of the others.
_LARGE = {"transformer"}


@dataclass(frozen=True)
class _Order:
    """A job in plain words: a case is made of functions, which do not travel between processes."""

    suite: str
    case: str
    dtype: torch.dtype
    release: str
    passes: tuple[str, ...]
    every_mode: bool
    modes: tuple[Mode, ...]
    lockstep: bool

    @staticmethod
    def of(job: Job) -> "_Order":
        return _Order(
            job.suite, job.case.id, job.dtype, job.release, job.passes, job.every_mode, job.modes, job.lockstep
        )

    def job(self) -> Job:
        case = CASES[self.case]
        return Job(self.suite, case, self.dtype, self.release, self.passes, self.every_mode, self.modes, self.lockstep)


def _run_orders(orders: list[_Order], bench: Bench) -> tuple[list[CaseResult], frozenset[int]]:
    budgets = _budgets_here()
    return run_here([order.job() for order in orders], bench, budgets, silent), budgets.used


@cache
def _budgets_here() -> Budgets:
    """Give the table of this process, read once."""
    return budgets_of_all_stages()
