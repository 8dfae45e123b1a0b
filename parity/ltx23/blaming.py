"""Where a case goes wrong, or a planted fault does; and every fault planted, one by one."""

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import torch

from parity.binding import Progress
from parity.blame import Explainer, FaultOutcome, Located
from parity.calibrate.band import Bands
from parity.classify import classify_forward
from parity.judge import Budgets, Verdict
from parity.ltx23.calibration import committed_bands
from parity.ltx23.fault import Fault
from parity.ltx23.operations import operations
from parity.ltx23.stages import CASES, FAULTS, budgets_of_all_stages
from parity.ltx23.suites import Job, oracles
from parity.ltx23.world import Variation, World
from parity.run.forward import Forward, Mode
from parity.run.judging import Bar, judge_forward
from parity.run.oracle import Oracle
from parity.run.record import ForwardResult

# An error shows on the candidate's own values, and where it is born on the reference's.
_MODES = (Mode.CHAINED, Mode.ISOLATED)


def locate_in(job: Job, world: World, budgets: Budgets, progress: Progress, recordings: Path) -> Located:
    """Run the passes of a job in their order until one diverges, and blame it."""
    forwards = [forward for forward in world.forwards(job.case, job.dtype) if _asked(job, forward)]
    oracle_for = oracles(job, world, recordings)
    candidate = world.port(job.case, job.dtype)
    incomplete: list[str] = []
    done = 0
    result: ForwardResult | None = None
    for done, forward in enumerate(forwards, start=1):
        progress(f"{job.label} {forward.name}", done - 1, len(forwards))
        result = judge_forward(candidate, oracle_for(forward), forward, _bar(job, budgets))
        incomplete += result.incomplete
        if result.blame is not None:
            break
    return Located(
        case=job.case_label,
        dtype=_dtype_word(job),
        passes=done,
        candidate=candidate.name,
        reference=world.reference_name,
        blame=None if result is None else result.blame,
        incomplete=tuple(incomplete),
    )


def _dtype_word(job: Job) -> str:
    return str(job.dtype).removeprefix("torch.")


def _asked(job: Job, forward: Forward) -> bool:
    return not job.passes or forward.name in job.passes


def _bar(job: Job, budgets: Budgets) -> Bar:
    # A search of its own: an explainer blames one pass of a run.
    explainer = Explainer(operations())
    return Bar(
        job.suite, job.case_label, budgets, job.dtype, _MODES, every_mode=job.suite == "drift", explainer=explainer
    )


def job_of(fault: Fault) -> Job:
    """Give the job that shows a fault."""
    return Job(fault.suite, CASES[fault.case], fault.dtype, fault.release, (fault.forward,), modes=_MODES)


@dataclass(frozen=True)
class Telling:
    """Who is told of a campaign: how far it is, and each outcome as soon as it is there."""

    progress: Progress
    found: Callable[[FaultOutcome], None]


def plant_all(faults: Sequence[Fault], told: Telling, recordings: Path, processes: int) -> list[FaultOutcome]:
    """Plant each fault in an otherwise correct port; the outcomes are in the order of the faults.

    Faults that show in one case share its checkpoint and the reference's values.
    """
    shares = [list(share) for _, share in groupby(sorted(faults, key=_share), key=_share)]
    outcomes: dict[str, FaultOutcome] = {}
    planted = _planted(shares, recordings) if processes == 1 else _planted_in_processes(shares, recordings, processes)
    with contextlib.closing(planted):
        told.progress("faults", 0, len(faults))
        for outcome in planted:
            outcomes[outcome.id] = outcome
            told.found(outcome)
            told.progress(f"fault {outcome.id}", len(outcomes), len(faults))
    return [outcomes[fault.id] for fault in faults]


def _share(fault: Fault) -> tuple[str, str, str, str]:
    return fault.release, fault.suite, fault.case, str(fault.dtype)


def _planted(shares: Sequence[Sequence[Fault]], recordings: Path) -> Generator[FaultOutcome]:
    budgets = budgets_of_all_stages()
    for share in shares:
        job = job_of(share[0])
        with World(release=job.release) as world:
            oracle_for = _kept(oracles(job, world, recordings))
            for fault in share:
                yield _plant(fault, world, budgets, oracle_for)


def _kept(oracle_for: Callable[[Forward], Oracle]) -> Callable[[Forward], Oracle]:
    """Keep the oracle of each pass: what the reference shows does not depend on the candidate's fault."""
    kept: dict[str, Oracle] = {}

    def oracle(forward: Forward) -> Oracle:
        if forward.name not in kept:
            kept[forward.name] = oracle_for(forward)
        return kept[forward.name]

    return oracle


def _plant(fault: Fault, world: World, budgets: Budgets, oracle_for: Callable[[Forward], Oracle]) -> FaultOutcome:
    start = time.perf_counter()
    world.vary(Variation(fault))
    job = job_of(fault)
    (forward,) = [forward for forward in world.forwards(job.case, job.dtype) if _asked(job, forward)]
    result = judge_forward(world.port(job.case, job.dtype), oracle_for(forward), forward, _bar(job, budgets))
    dtype = _dtype_word(job)
    held = _bands().for_case(job.case_label, dtype, job.release)
    # A recording is of another machine, of whose arithmetic no band speaks.
    told = () if job.suite == "recorded" else classify_forward(result, held, dtype)
    classes = {found.tap: found.kind.value for found in told}
    return FaultOutcome(
        id=fault.id,
        stage=fault.stage,
        wrong=fault.wrong,
        expected_tap=fault.tap,
        expected_hints=fault.hints,
        detected=any(tap.verdict is Verdict.OVER for tap in result.taps),
        blame=result.blame,
        seconds=time.perf_counter() - start,
        incomplete=result.incomplete,
        classed=None if result.blame is None else classes.get(result.blame.tap),
    )


@cache
def _bands() -> Bands:
    return committed_bands()


def _planted_in_processes(
    shares: Sequence[Sequence[Fault]], recordings: Path, processes: int
) -> Generator[FaultOutcome]:
    threads = max(1, torch.get_num_threads() // processes)
    parts = [
        share[start : start + _MOST_IN_A_PART] for share in shares for start in range(0, len(share), _MOST_IN_A_PART)
    ]
    # What takes longest first, so that all processes end at about the same time.
    parts.sort(key=lambda part: (part[0].stage != "pipeline", -len(part)))
    # A fork would copy torch's threads and locks in whatever state they are.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        orders = [pool.submit(_planted_there, [fault.id for fault in part], recordings, threads) for part in parts]
        try:
            for future in as_completed(orders):
                yield from future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


# Faults that a process plants before it hands their outcomes over.
_MOST_IN_A_PART = 4


def _planted_there(identifiers: list[str], recordings: Path, threads: int) -> list[FaultOutcome]:
    torch.set_num_threads(threads)
    return list(_planted([[FAULTS[identifier] for identifier in identifiers]], recordings))
