"""LTX-2.3 as the command line and the pytest suite reach it."""

import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import torch

from parity.binding import (
    CampaignRequest,
    CaptureRequest,
    GateOutcome,
    GateRequest,
    InputsRequest,
    LocateRequest,
    Progress,
    RunRequest,
    WeightsForm,
    silent,
    unheard,
)
from parity.blame import Explainer, FaultOutcome, Located, Operations
from parity.calibrate.band import Bands
from parity.calibrate.request import CalibrateRequest, Calibration
from parity.chain import ChainRequest, Chains
from parity.errors import BadInputError
from parity.foreign.case_inputs import Given
from parity.foreign.export import write_inputs
from parity.foreign.inputs_manifest import InputsManifest
from parity.judge import Budgets
from parity.ltx23.blaming import Telling, job_of, locate_in, plant_all
from parity.ltx23.calibration import BUDGET_LOCK, calibrate, committed_bands
from parity.ltx23.candidate import PORT, fingerprint
from parity.ltx23.choice import chosen_suites, installed, known_release
from parity.ltx23.fault import Fault
from parity.ltx23.forecasting import open_generations
from parity.ltx23.foreign_inputs import case_inputs
from parity.ltx23.gate import Gate
from parity.ltx23.generation import CASE as GENERATION
from parity.ltx23.generation import Groups
from parity.ltx23.numerics import VARIANTS
from parity.ltx23.operations import operations
from parity.ltx23.recording import SIDES, record, record_sketched, record_statistics, require_current
from parity.ltx23.stage import Case
from parity.ltx23.stages import CASES, FAULTS, STAGES, Choice, budgets_of_all_stages, chosen_cases
from parity.ltx23.suites import LIVE_SUITES, SUITES, Job, jobs
from parity.ltx23.workers import Bench, run_here, run_shared
from parity.ltx23.world import PROVEN_LIVE, Variation, World, device_named, dtype_named, reference_named
from parity.metrics import engine_name
from parity.run.judging import Bar, judge_forward
from parity.run.maps import Maps
from parity.run.oracle import RecordedOracle
from parity.run.record import CaseResult, RunResult
from parity.store import Dump, Manifest
from parity.taps import TapPlan
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
        (chosen,) = chosen_cases(Choice(ids=(case,), lockstep=True))
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
        choice = Choice(request.cases, request.stages, request.real_size, request.config, request.lockstep)
        dtypes = tuple(map(dtype_named, request.dtypes))
        planned = jobs(suites, chosen_cases(choice), dtypes, bool(request.cases), request.lockstep)
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
        narrowed = (request.stages, request.cases, request.dtypes, request.real_size, request.fault, request.config)
        if not any(narrowed):
            for suite in {suite for suite, _ in suites}:
                budgets.refuse_unused(suite)
        return RunResult(tuple(results), told)

    def gate(self, request: GateRequest, progress: Progress = silent) -> GateOutcome:
        """Run every suite that applies to one way to run the port, and certify it where every stage passes."""
        return Gate.of(request, RECORDINGS).judge(self.run, progress)

    def capture(self, request: CaptureRequest, progress: Progress = silent) -> Manifest:
        """Record a case of the port or of the running official code."""
        request = replace(request, side=request.side or SIDES[0])
        if request.side not in SIDES:
            raise BadInputError(f"side {request.side!r}", "unknown", f"one of {', '.join(SIDES)}", "choose one")
        case, dtype = _one(request.case, request.dtype, resident=True)
        if request.config not in (None, case.config):
            raise BadInputError(
                f"case {case.id!r}", f"config {case.config}", str(request.config), "choose another case"
            )
        if request.weights is not WeightsForm.COPIES and not case.resident:
            got, expected = f"weights of {case.id!r} in a file", "weights that are made on the device"
            raise BadInputError(f"--weights {request.weights}", got, expected, "leave it out")
        release = known_release(request.release) or installed() or PROVEN_LIVE
        with World(device_named(request.device), release=release, weights=request.weights) as world:
            write = record_sketched if request.sketch else record_statistics if request.statistics else record
            return write(request, case, dtype, world, progress)

    def operations(self) -> Operations:
        """Give the table of which part of the model each tap shows."""
        return operations()

    def plans(self, case: str, dtype: str, release: str) -> list[TapPlan]:
        """Lay out the taps of each pass of a case."""
        chosen, precision = _one(case, dtype)
        with World(release=known_release(release) or PROVEN_LIVE) as world:
            return [forward.plan for forward in world.forwards(chosen, precision)]

    def implementation(self, producer: str, release: str) -> str:
        """Give what the places of taps call the implementation that a dump is of."""
        return producer if producer == "port" else reference_named(known_release(release) or PROVEN_LIVE)

    def locate(self, request: LocateRequest, progress: Progress = silent) -> Located:
        """Run a case until a pass diverges, and blame it."""
        job, fault = _search(request)
        with World(device_named(request.device), Variation(fault), job.release) as world:
            return locate_in(job, world, self.budgets(), progress, RECORDINGS)

    def asked_faults(self, request: CampaignRequest) -> list[str]:
        """Name the faults that a campaign is about, in the order in which they are registered."""
        chosen_cases(Choice(stages=request.stages))
        asked = {_fault(identifier).id for identifier in request.faults} or set(FAULTS)
        chosen = [
            fault.id
            for fault in FAULTS.values()
            if fault.id in asked and (not request.stages or fault.stage in request.stages)
        ]
        if not chosen:
            got = "no fault of these stages"
            raise BadInputError("faults", got, "at least one", "choose others: `ltx-parity run --list` names them")
        return chosen

    def campaign(
        self, request: CampaignRequest, progress: Progress = silent, found: Callable[[FaultOutcome], None] = unheard
    ) -> list[FaultOutcome]:
        """Plant every fault that is asked for, one by one, and say what is found."""
        chosen = [FAULTS[identifier] for identifier in self.asked_faults(request) if identifier not in request.known]
        return plant_all(chosen, Telling(progress, found), RECORDINGS, request.jobs)

    def campaign_sources(self) -> list[Path]:
        """Give the folders of the port, the harness, and the reference's adapter and recordings."""
        return [Path(str(files(package))) for package in ("ltx_port", "parity", "reference_dumps")]

    def inputs(self, request: InputsRequest, progress: Progress = silent) -> InputsManifest:
        """Export the inputs and weights of a case for a port in any language."""
        case, dtype = _one(request.case, request.dtype)
        release = known_release(request.release) or installed() or PROVEN_LIVE
        given = None if request.given is None else Given(request.given, request.taps)
        with World(release=release) as world:
            found = case_inputs(world, case, dtype, request.passes, request.command)
            return write_inputs(request.output, found, given, progress)

    def compare_live(self, dump: Path, progress: Progress = silent) -> RunResult:
        """Run the port on the case of a dump, and judge it against the dump by the suite `recorded`."""
        with Dump.open(dump) as opened:
            case, dtype = _one(opened.manifest.case, opened.manifest.dtype)
            release = known_release(opened.manifest.release) or PROVEN_LIVE
            with World(release=release) as world:
                require_current(opened, case, dtype, world)
                job = Job("recorded", case, dtype, release)
                explainer, forwards = Explainer(operations()), world.forwards(case, dtype)
                bar = Bar(
                    job.suite, job.case_label, self.budgets(), dtype, explainer=explainer, maps=Maps(operations())
                )
                results = []
                for done, forward in enumerate(forwards):
                    progress(f"{job.label} {forward.name}", done, len(forwards))
                    oracle = RecordedOracle(opened, forward)
                    results.append(judge_forward(world.port(case, dtype), oracle, forward, bar))
                progress(job.label, len(forwards), len(forwards))
            told = opened.manifest.dtype
            found = CaseResult(
                job.suite, job.case_label, case.guards, told, tuple(results), release, elsewhere=job.elsewhere
            )
        return RunResult(
            (found,), {"candidate": "port", "reference": str(dump), "release": release, "engine": engine_name()}
        )

    def sources(self) -> list[Path]:
        """The folder of the port."""
        return [PORT]

    def numerics(self) -> Mapping[str, str]:
        """Name each way to compute a generation, and what it rounds; the first is the truth."""
        return {variant.id: variant.says for variant in VARIANTS.values()}

    def chains(self, request: ChainRequest) -> AbstractContextManager[Chains]:
        """Lay out a generation from embedded text as chains of links."""
        return open_generations(request)

    def step_taps(self) -> StepTaps:
        """Say which taps show the state behind a denoise step, and its guidance."""
        return StepTaps(states=("*.next",), guided="guided", conditioned="x0_cond")


def _fault(identifier: str) -> Fault:
    if identifier not in FAULTS:
        raise BadInputError(f"fault {identifier!r}", "unknown", f"one of {', '.join(FAULTS)}", "choose one")
    return FAULTS[identifier]


def _search(request: LocateRequest) -> tuple[Job, Fault | None]:
    """Say what a search runs: what it asks for, and for the rest what the planted fault shows in."""
    fault = None if request.fault is None else _fault(request.fault)
    usual = None if fault is None or request.case not in (None, fault.case) else job_of(fault)
    if request.case is None and usual is None:
        raise BadInputError("locate", "neither a case nor a fault", "one of them", "give --case or --fault")
    (case,) = (usual.case,) if usual is not None else chosen_cases(Choice(ids=(str(request.case),)))
    suite = request.suite or (usual.suite if usual else "exact")
    if suite not in SUITES:
        raise BadInputError(f"suite {suite!r}", "unknown", f"one of {', '.join(SUITES)}", "choose one")
    dtype = dtype_named(request.dtype) if request.dtype else usual.dtype if usual else case.dtypes[0]
    release = known_release(request.release) or (usual.release if usual else installed() or PROVEN_LIVE)
    passes = usual.passes if usual is not None and request.case is None else ()
    return Job(suite, case, dtype, release, passes), fault


def _bench(request: RunRequest) -> Bench:
    if request.fault is not None:
        _fault(request.fault)
    threads = request.threads
    if threads is None and request.jobs > 1:
        threads = max(1, torch.get_num_threads() // request.jobs)
    return Bench(
        str(device_named(request.device)), request.fault, request.attention, threads, RECORDINGS, request.weights
    )


def _one(case: str, dtype: str, resident: bool = False) -> tuple[Case, torch.dtype]:
    (chosen,) = chosen_cases(Choice(ids=(case,), lockstep=resident))
    return chosen, dtype_named(dtype)


def _provenance(request: RunRequest, suites: list[tuple[str, str]]) -> dict[str, str]:
    live = dict.fromkeys(f"{release} live" for suite, release in suites if suite in LIVE_SUITES)
    recorded = dict.fromkeys(f"{release} recorded" for suite, release in suites if suite == "recorded")
    return {
        "candidate": f"ltx_port {metadata.version('ltx-parity')}",
        "candidate_code": fingerprint(PORT),
        "reference": f"official LTX-2 {', '.join((*live, *recorded))}",
        "release": ", ".join(dict.fromkeys(release for _, release in suites)),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": request.device,
        "engine": engine_name(request.device),
        "threads": str(request.threads or torch.get_num_threads()),
        "attention": request.attention,
        "planted_fault": request.fault or "none",
        **({"lockstep": f"weights made on the device: {request.weights}"} if request.lockstep else {}),
    }


BINDING = LTX23()
