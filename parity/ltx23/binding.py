"""LTX-2.3 as the command line and the pytest suite reach it."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import torch

from ltx_port.transformer.attention import AttentionBackend
from parity.binding import CaptureRequest, Progress, RunRequest, silent
from parity.errors import BadInputError
from parity.judge import Budgets
from parity.ltx23.cases import REAL_WIDTH, TRANSFORMER_CASES, Case, chosen_cases
from parity.ltx23.faults import FAULTS, Fault
from parity.ltx23.recording import SIDES, record, require_current
from parity.ltx23.suites import LIVE_SUITES, SUITES, Job, jobs, run_job
from parity.ltx23.world import REFERENCE_RELEASE, Variation, World, dtype_named
from parity.run.judging import Bar, judge_forward
from parity.run.oracle import RecordedOracle
from parity.run.record import CaseResult, RunResult
from parity.store import Dump, Manifest
from reference_dumps.official.installed import installed_release

BUDGETS = Path(str(files("parity.ltx23"))) / "budgets.toml"
RECORDINGS = Path(str(files("reference_dumps"))) / "recorded"


class LTX23:
    """The binding of LTX-2.3."""

    def suites(self) -> Mapping[str, str]:
        """Name each suite and say what it shows."""
        return SUITES

    def cases(self) -> Mapping[str, str]:
        """Name each case and the faults that it guards against."""
        return {case.id: case.guards for case in (*TRANSFORMER_CASES.values(), REAL_WIDTH)}

    def faults(self) -> Mapping[str, str]:
        """Name each known fault and what is wrong in it."""
        return {fault.id: fault.wrong for fault in FAULTS.values()}

    def taps(self, case: str) -> Mapping[str, str]:
        """Map the taps that a case declares, in data-path order, to the group that they report to."""
        (chosen,) = chosen_cases((case,))
        with World() as world:
            return {tap.name: tap.group for f in world.forwards(chosen, chosen.dtypes[0]) for tap in f.plan}

    def budgets(self) -> Budgets:
        """Give a fresh budget table."""
        return Budgets.load(BUDGETS)

    def run(self, request: RunRequest, progress: Progress = silent) -> RunResult:
        """Run suites; without names: exact and drift where the official code is installed, else recorded."""
        suites = _suites(request)
        dtypes = tuple(dtype_named(name) for name in request.dtypes)
        planned = list(jobs(suites, request.cases, dtypes))
        if not planned:
            raise BadInputError(
                "run", "no suite applies to these cases and precisions", "at least one", "choose others, or none"
            )
        budgets = self.budgets()
        with _threads(request.threads), World(_device(request.device), _variation(request)) as world:
            results = tuple(run_job(job, world, budgets, progress, RECORDINGS) for job in planned)
        if not request.cases and not request.dtypes and request.fault is None:
            for suite in suites:
                budgets.refuse_unused(suite)
        return RunResult(results, _provenance(request, suites))

    def capture(self, request: CaptureRequest, progress: Progress = silent) -> Manifest:
        """Record a case of the port or of the running official code."""
        if request.side not in SIDES:
            raise BadInputError(f"side {request.side!r}", "unknown", f"one of {', '.join(SIDES)}", "choose one")
        case, dtype = _one(request.case, request.dtype)
        with World(_device(request.device)) as world:
            return record(request, case, dtype, world, progress)

    def compare_live(self, dump: Path, progress: Progress = silent) -> RunResult:
        """Run the port on the case of a dump, and judge it against the dump by the suite `recorded`."""
        with Dump.open(dump) as opened, World() as world:
            case, dtype = _one(opened.manifest.case, opened.manifest.dtype)
            require_current(opened, case, dtype, world)
            job = Job("recorded", case, dtype)
            bar, forwards = Bar(job.suite, case.id, self.budgets(), dtype), world.forwards(case, dtype)
            results = []
            for done, forward in enumerate(forwards):
                progress(f"{job.label} {forward.name}", done, len(forwards))
                oracle = RecordedOracle(opened, forward)
                results.append(judge_forward(world.port(case, dtype), oracle, forward, bar))
            progress(job.label, len(forwards), len(forwards))
            found = CaseResult(job.suite, case.id, case.guards, opened.manifest.dtype, tuple(results))
        return RunResult((found,), {"candidate": "port", "reference": str(dump), "release": REFERENCE_RELEASE})


def _suites(request: RunRequest) -> tuple[str, ...]:
    unknown = [suite for suite in request.suites if suite not in SUITES]
    if unknown:
        raise BadInputError(f"suite {unknown[0]!r}", "unknown", f"one of {', '.join(SUITES)}", "choose one")
    contradiction = {"recorded": LIVE_SUITES, "live": ("recorded",), "auto": ()}[request.reference]
    for suite in request.suites:
        if suite in contradiction:
            raise BadInputError(
                f"suite {suite!r} with --reference {request.reference}",
                "they contradict each other",
                "a suite of that reference",
                "leave one of the two out",
            )
    if request.suites:
        return request.suites
    live = request.reference == "live" or (request.reference == "auto" and installed_release() == REFERENCE_RELEASE)
    return LIVE_SUITES if live else ("recorded",)


def _variation(request: RunRequest) -> Variation:
    fault: Fault | None = None
    if request.fault is not None:
        if request.fault not in FAULTS:
            raise BadInputError(f"fault {request.fault!r}", "unknown", f"one of {', '.join(FAULTS)}", "choose one")
        fault = FAULTS[request.fault]
    return Variation(fault, AttentionBackend(request.attention))


def _one(case: str, dtype: str) -> tuple[Case, torch.dtype]:
    (chosen,) = chosen_cases((case,))
    return chosen, dtype_named(dtype)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadInputError(f"device {name!r}", "unknown", "cpu or cuda", "choose one") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInputError(f"device {name!r}", "torch sees no CUDA device", "a CUDA device", "use --device cpu")
    return device


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _provenance(request: RunRequest, suites: tuple[str, ...]) -> dict[str, str]:
    live = any(suite in LIVE_SUITES for suite in suites)
    return {
        "candidate": f"ltx_port {metadata.version('ltx-parity')}",
        "reference": f"official LTX-2 {REFERENCE_RELEASE}, {'live' if live else 'recorded'}",
        "release": REFERENCE_RELEASE,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": request.device,
        "threads": str(request.threads or torch.get_num_threads()),
        "attention": request.attention,
        "planted_fault": request.fault or "none",
    }


BINDING = LTX23()
