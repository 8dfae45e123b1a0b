"""The jobs of a run, one after the other here, or shared out among processes."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from threading import Lock

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
    """Run the jobs in several processes, this one among them; results and marks in `budgets` are those of `run_here`.

    What comes from other processes is an error of theirs as it was said there; the first error ends the run.
    """
    shares = deque(_shares(planned))
    told = _Told(planned, budgets, progress)
    others = max(0, min(processes, len(shares)) - 1)
    # A fork would copy torch's threads and locks in whatever state they are.
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(max(others, 1), get_context("spawn")))
        hands = stack.enter_context(ThreadPoolExecutor(max(others, 1)))

        def hand_out(part: list[Job]) -> None:
            with _none_left_behind(shares):
                for share in _from(part, shares):
                    told(share, *pool.submit(_run_orders, [_Order.of(job) for job in share], bench).result())

        # This process begins with the longest share: the others have much to import first.
        own = shares.popleft()
        handed = [hands.submit(hand_out, shares.popleft()) for _ in range(others)]
        with _none_left_behind(shares):
            for share in _from(own, shares):
                told(share, run_here(share, bench, budgets, silent), frozenset())
        for hand in handed:
            hand.result()
    return told.results()


def _from(first: list[Job], shares: deque[list[Job]]) -> Iterator[list[Job]]:
    yield first
    while shares:
        # Threads take from it at once: what was there may be gone.
        with suppress(IndexError):
            yield shares.popleft()


@contextmanager
def _none_left_behind(shares: deque[list[Job]]) -> Iterator[None]:
    """Leave the other processes nothing more to begin with where one has failed."""
    try:
        yield
    except BaseException:
        shares.clear()
        raise


class _Told:
    """What came of a run's shares so far; called by several threads."""

    def __init__(self, planned: Sequence[Job], budgets: Budgets, progress: Progress):
        self._planned, self._budgets, self._progress = planned, budgets, progress
        self._found: dict[Job, CaseResult] = {}
        self._lock = Lock()

    def __call__(self, share: Sequence[Job], results: Sequence[CaseResult], used: frozenset[int]) -> None:
        """Take the results of a share, and which rows of the table another process has used for them."""
        with self._lock:
            self._found |= dict(zip(share, results, strict=True))
            self._budgets.mark(used)
            self._progress(share[-1].label, len(self._found), len(self._planned))

    def results(self) -> list[CaseResult]:
        """Give the results in the order of the plan."""
        return [self._found[job] for job in self._planned]


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
