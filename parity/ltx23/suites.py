"""The suites: which cases run, against which oracle, in which precision."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from parity.binding import Progress
from parity.blame import Explainer
from parity.judge import Budgets
from parity.lockstep import judge_all_in_lockstep
from parity.ltx23.operations import operations
from parity.ltx23.recording import open_recording
from parity.ltx23.stage import Case
from parity.ltx23.world import PROVEN_LIVE, World
from parity.run.collecting import spare_what_came, spared_by_collections
from parity.run.forward import Forward, Mode
from parity.run.judging import Bar, judge_forward
from parity.run.maps import Maps
from parity.run.oracle import DriftOracle, LiveOracle, Oracle, RecordedOracle
from parity.run.record import CaseResult, ForwardResult
from parity.store.bits import dtype_name

SUITES = {
    "exact": "port and official code in the same precision, live: bit-identical",
    "drift": "port in bfloat16 against official float32 as truth, official bfloat16 as the peer, live",
    "recorded": "port against recorded dumps of the official code, from another machine: within rounding",
}
LIVE_SUITES = ("exact", "drift")
_TAPS_BETWEEN_NEWS = 100


@dataclass(frozen=True)
class Job:
    """One case of one suite in one precision under one release.

    `passes` narrows it to some of the case's passes, `modes` to some of the ways in which the port is run.

    `every_mode`: feed the port the reference's values even where its own have the same bits throughout. `lockstep`: run
    both side by side, and keep no tap.
    """

    suite: str
    case: Case
    dtype: torch.dtype
    release: str = PROVEN_LIVE
    passes: tuple[str, ...] = ()
    every_mode: bool = False
    modes: tuple[Mode, ...] = tuple(Mode)
    lockstep: bool = False

    @property
    def elsewhere(self) -> bool:
        """Whether the reference was recorded on another machine, of whose arithmetic no band speaks."""
        return self.suite == "recorded"

    @property
    def case_label(self) -> str:
        """What reports call the case: with its release where recordings of several may be judged in one run."""
        return f"{self.case.id}@{self.release}" if self.suite == "recorded" else self.case.id

    @property
    def label(self) -> str:
        """What progress shows."""
        return f"{self.suite} {self.case_label} {str(self.dtype).removeprefix('torch.')}"


def jobs(
    suites: Iterable[tuple[str, str]],
    cases: Iterable[Case],
    dtypes: tuple[torch.dtype, ...],
    named: bool,
    lockstep: bool = False,
) -> list[Job]:
    """Lay out what a run does: each suite, under its release, takes the cases and precisions that it applies to.

    `named`: the cases were asked for by name, so that the suite `drift` takes them all.
    """
    return [
        Job(suite, case, dtype, release, lockstep=lockstep)
        for case in cases
        for suite, release in suites
        for dtype in case.dtypes
        if _applies(suite, case, dtype, named) and (not dtypes or dtype in dtypes)
    ]


def _applies(suite: str, case: Case, dtype: torch.dtype, named: bool) -> bool:
    return {
        "exact": True,
        "drift": dtype is torch.bfloat16 and (case.drifts or named),
        "recorded": case.recorded,
    }[suite]


def run_job(
    job: Job, world: World, budgets: Budgets, progress: Progress, recordings: Path, explainer: Explainer | None = None
) -> CaseResult:
    """Run one job; `recordings` holds the dumps that the suite `recorded` reads, `explainer` blames what is over."""
    with spared_by_collections():
        return _run_job(job, world, budgets, progress, recordings, explainer)


def _run_job(
    job: Job, world: World, budgets: Budgets, progress: Progress, recordings: Path, explainer: Explainer | None
) -> CaseResult:
    forwards = [f for f in world.forwards(job.case, job.dtype) if not job.passes or f.name in job.passes]
    bar = Bar(job.suite, job.case_label, budgets, job.dtype, job.modes, job.every_mode, explainer, Maps(operations()))
    if job.lockstep:
        results = _side_by_side(job, world, forwards, bar, progress)
    else:
        results = _one_by_one(job, world, forwards, bar, (progress, recordings))
    progress(job.label, len(forwards), len(forwards))
    dtype = dtype_name(job.dtype)
    return CaseResult(job.suite, job.case_label, job.case.guards, dtype, tuple(results), job.release, job.elsewhere)


def _one_by_one(
    job: Job, world: World, forwards: Sequence[Forward], bar: Bar, watched: tuple[Progress, Path]
) -> list[ForwardResult]:
    progress, recordings = watched
    oracle_for = oracles(job, world, recordings)
    port = world.port(job.case, job.dtype)
    # Loading imports: that too is spared.
    spare_what_came()
    results = []
    for done, forward in enumerate(forwards):
        progress(f"{job.label} {forward.name}", done, len(forwards))
        results.append(judge_forward(port, oracle_for(forward), forward, bar))
    return results


def _side_by_side(
    job: Job, world: World, forwards: Sequence[Forward], bar: Bar, progress: Progress
) -> list[ForwardResult]:
    world.require_room(job.case, job.dtype, sides=2)
    reference, port = world.official(job.case, job.dtype), world.port(job.case, job.dtype)

    def seen(forward: Forward, taps: int) -> None:
        # Not at each tap: drawing takes longer than a tap does.
        if taps % _TAPS_BETWEEN_NEWS == 0:
            progress(f"{job.label} {forward.name}", taps, len(forward.plan.taps))

    return list(judge_all_in_lockstep(port, reference, forwards, bar, seen))


def oracles(job: Job, world: World, recordings: Path) -> Callable[[Forward], Oracle]:
    """Give what each pass of a job is judged against."""
    if job.suite == "exact":
        reference = world.official(job.case, job.dtype)
        return lambda forward: LiveOracle(reference, forward)
    if job.suite == "drift":
        peer, truth = world.official(job.case, job.dtype), world.official(job.case, torch.float32)
        return lambda forward: DriftOracle((peer, forward), (truth, world.widened(forward)))
    dump = open_recording(recordings, job.case, job.dtype, world)
    return lambda forward: RecordedOracle(dump, forward)
