"""LTX-2.3 as the command line and the pytest suite reach it."""

import platform
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import torch

from parity.binding import CaptureRequest, GateOutcome, GateRequest, Progress, RunRequest, silent
from parity.calibrate.band import Bands
from parity.calibrate.request import CalibrateRequest, Calibration
from parity.chain import ChainRequest, Chains
from parity.errors import BadInputError
from parity.judge import Budgets
from parity.ltx23.calibration import BUDGET_LOCK, calibrate, committed_bands
from parity.ltx23.choice import chosen_suites, installed, known_release
from parity.ltx23.forecasting import open_generations
from parity.ltx23.gate import Gate
from parity.ltx23.generation import CASE as GENERATION
from parity.ltx23.generation import Groups
from parity.ltx23.numerics import VARIANTS
from parity.ltx23.recording import SIDES, record, record_statistics, require_current
from parity.ltx23.stage import Case
from parity.ltx23.stages import CASES, FAULTS, STAGES, budgets_of_all_stages, chosen_cases
from parity.ltx23.suites import LIVE_SUITES, SUITES, Job, jobs
from parity.ltx23.workers import Bench, run_here, run_shared
from parity.ltx23.world import PROVEN_LIVE, World, device_named, dtype_named
from parity.metrics import engine_name
from parity.run.judging import Bar, judge_forward
from parity.run.oracle import RecordedOracle
from parity.run.record import CaseResult, RunResult
from parity.store import Dump, Manifest
from parity.trajectory import StepTaps

RECORDINGS = Path(str(files("reference_dumps"))) / "recorded"


class LTX23:
    """The binding of LTX-2.3."""

    def stages(self) -> Mapping[str, str]:
        """Name each stage in data-path order, and say what it shows."""
        return {stage.id: stage.shows for stage in STAGES.values()}

    def suites(self) -> Mapping[str, str]:
        """Name each suite and say what it shows."""
        return SUITES

    def cases(self) -> Mapping[str, str]:
        """Name each case and the faults that it guards against."""
        return {case.id: case.guards for case in CASES.values()}

    def faults(self) -> Mapping[str, str]:
        """Name each known fault and what is wrong in it."""
        return {fault.id: fault.wrong for fault in FAULTS.values()}

    def taps(self, case: str) -> Mapping[str, str]:
        """Map the taps that a case declares, in data-path order, to the group that they report to."""
        if case.startswith(GENERATION):
            return Groups()
        (chosen,) = chosen_cases((case,))
        with World() as world:
            return {tap.name: tap.group for f in world.forwards(chosen, chosen.dtypes[0]) for tap in f.plan}

    def budgets(self) -> Budgets:
        """Give a fresh budget table."""
        return budgets_of_all_stages()

    def budget_lock(self) -> Path:
        """Say where the record of the budgets is kept."""
        return BUDGET_LOCK

    def bands(self) -> Bands:
        """Give what error is legitimate at each tap of the cases that were calibrated."""
        return committed_bands()

    def calibrate(self, request: CalibrateRequest, progress: Progress = silent) -> Calibration:
        """Measure what error is legitimate in the official code that is installed; BadInputError where none is."""
        return calibrate(request, progress)

    def run(self, request: RunRequest, progress: Progress = silent) -> RunResult:
        """Run suites; without names: exact and drift where the official code is installed, and all recordings."""
        suites = chosen_suites(request, RECORDINGS)
        cases = chosen_cases(request.cases, request.stages, request.real_size)
        planned = jobs(suites, cases, tuple(map(dtype_named, request.dtypes)), named=bool(request.cases))
        if not planned:
            raise BadInputError(
                "run", "no suite applies to these cases and precisions", "at least one", "choose others, or none"
            )
        budgets, bench = self.budgets(), _bench(request)
        # Also compiles what compares, once, before several processes would.
        told = _provenance(request, suites)
        if request.jobs > 1:
            results = run_shared(planned, bench, budgets, progress, request.jobs)
        else:
            results = run_here(planned, bench, budgets, progress)
        if not (request.stages or request.cases or request.dtypes or request.real_size or request.fault):
            for suite in {suite for suite, _ in suites}:
                budgets.refuse_unused(suite)
        return RunResult(tuple(results), told)

    def gate(self, request: GateRequest, progress: Progress = silent) -> GateOutcome:
        """Run every suite that applies to one way to run the port, and certify it where every stage passes."""
        return Gate.of(request, RECORDINGS).judge(self.run, progress)

    def capture(self, request: CaptureRequest, progress: Progress = silent) -> Manifest:
        """Record a case of the port or of the running official code."""
        if request.side not in SIDES:
            raise BadInputError(f"side {request.side!r}", "unknown", f"one of {', '.join(SIDES)}", "choose one")
        case, dtype = _one(request.case, request.dtype)
        release = known_release(request.release) or installed() or PROVEN_LIVE
        with World(device_named(request.device), release=release) as world:
            write = record_statistics if request.statistics else record
            return write(request, case, dtype, world, progress)

    def compare_live(self, dump: Path, progress: Progress = silent) -> RunResult:
        """Run the port on the case of a dump, and judge it against the dump by the suite `recorded`."""
        with Dump.open(dump) as opened:
            case, dtype = _one(opened.manifest.case, opened.manifest.dtype)
            release = known_release(opened.manifest.release) or PROVEN_LIVE
            with World(release=release) as world:
                require_current(opened, case, dtype, world)
                job = Job("recorded", case, dtype, release)
                bar, forwards = Bar(job.suite, job.case_label, self.budgets(), dtype), world.forwards(case, dtype)
                results = []
                for done, forward in enumerate(forwards):
                    progress(f"{job.label} {forward.name}", done, len(forwards))
                    oracle = RecordedOracle(opened, forward)
                    results.append(judge_forward(world.port(case, dtype), oracle, forward, bar))
                progress(job.label, len(forwards), len(forwards))
            found = CaseResult(job.suite, job.case_label, case.guards, opened.manifest.dtype, tuple(results), release)
        return RunResult(
            (found,), {"candidate": "port", "reference": str(dump), "release": release, "engine": engine_name()}
        )

    def numerics(self) -> Mapping[str, str]:
        """Name each way to compute a generation, and what it rounds; the first is the truth."""
        return {variant.id: variant.says for variant in VARIANTS.values()}

    def chains(self, request: ChainRequest) -> AbstractContextManager[Chains]:
        """Lay out a generation from embedded text as chains of links."""
        return open_generations(request)

    def step_taps(self) -> StepTaps:
        """Say which taps show the state behind a denoise step, and its guidance."""
        return StepTaps(states=("*.next",), guided="guided", conditioned="x0_cond")


def _bench(request: RunRequest) -> Bench:
    if request.fault is not None and request.fault not in FAULTS:
        raise BadInputError(f"fault {request.fault!r}", "unknown", f"one of {', '.join(FAULTS)}", "choose one")
    threads = request.threads
    if threads is None and request.jobs > 1:
        threads = max(1, torch.get_num_threads() // request.jobs)
    return Bench(str(device_named(request.device)), request.fault, request.attention, threads, RECORDINGS)


def _one(case: str, dtype: str) -> tuple[Case, torch.dtype]:
    (chosen,) = chosen_cases((case,))
    return chosen, dtype_named(dtype)


def _provenance(request: RunRequest, suites: list[tuple[str, str]]) -> dict[str, str]:
    live = dict.fromkeys(f"{release} live" for suite, release in suites if suite in LIVE_SUITES)
    recorded = dict.fromkeys(f"{release} recorded" for suite, release in suites if suite == "recorded")
    return {
        "candidate": f"ltx_port {metadata.version('ltx-parity')}",
        "reference": f"official LTX-2 {', '.join((*live, *recorded))}",
        "release": ", ".join(dict.fromkeys(release for _, release in suites)),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": request.device,
        "engine": engine_name(request.device),
        "threads": str(request.threads or torch.get_num_threads()),
        "attention": request.attention,
        "planted_fault": request.fault or "none",
    }


BINDING = LTX23()
