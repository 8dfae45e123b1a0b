"""A binding for a model that fits in memory: two implementations, a catalogue, budgets, cases, and nothing else.

What a large model needs of its own (checkpoints on disk, releases, processes, certificates) is left out; the verbs work
the same. `examples/second_model` is bound by it.
"""

import hashlib
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from parity.binding import (
    CaptureRequest,
    InputsRequest,
    LocateRequest,
    Progress,
    RunRequest,
    silent,
)
from parity.blame import Explainer, Located, Operations
from parity.calibrate.band import Bands
from parity.errors import BadInputError, IncompleteError
from parity.foreign.case_inputs import Argument, CaseInputs, Given, PassInputs, WeightsFile
from parity.foreign.export import write_inputs
from parity.foreign.inputs_manifest import InputsManifest
from parity.judge import Budgets
from parity.plain_lacks import OfLargeModels
from parity.run.dumps import require_same_origin
from parity.run.forward import Forward, Implementation, Mode, observe
from parity.run.judging import Bar, judge_forward
from parity.run.maps import Maps
from parity.run.oracle import DriftOracle, LiveOracle, Oracle, RecordedOracle
from parity.run.record import CaseResult, RunResult
from parity.run.statistics import Statistics, StatisticsVisitor, require_suffix, take_statistics, write_statistics
from parity.sketch.capture import Sitting, record_sketch
from parity.store import DroppedTap, Dump, DumpWriter, Manifest, content_hash
from parity.store.bits import dtype_name
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

SUITES = {
    "live": "the candidate beside the reference, in the same precision",
    "drift": "both in bfloat16, against the reference in float32",
}
SIDES = ("candidate", "reference")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class PlainSide:
    """One implementation: `load` makes its module of the weights, `call` runs one pass by its arguments' names."""

    load: Callable[[Mapping[str, Tensor]], nn.Module]
    call: Callable[[nn.Module, Mapping[str, Tensor]], object]


@dataclass(frozen=True)
class PlainCase:
    """A case: what it guards against, and its passes, each a table of input tensors with what they mean."""

    guards: str
    passes: Callable[[], Mapping[str, Mapping[str, Argument]]]


@dataclass(frozen=True)
class PlainFault:
    """A known fault: what is wrong, and the function that plants it in the candidate's module."""

    wrong: str
    plant: Callable[[nn.Module], object]


@dataclass(frozen=True)
class PlainBinding(OfLargeModels):
    """A model with one stage. The catalogue's implementations are `candidate` and `reference`.

    `weights` gives the weights by neutral names, the same at every call; `repeats` how often the catalogue's repeated
    sections are laid out; `operation_file` says which part of the model each tap shows, for blame. Tensors of floating
    point follow the working precision.
    """

    name: str
    shows: str
    catalogue: Path
    budget_file: Path
    weights: Callable[[], Mapping[str, Tensor]]
    sides: Mapping[str, PlainSide]
    known_cases: Mapping[str, PlainCase]
    known_faults: Mapping[str, PlainFault] = field(default_factory=dict)
    repeats: Mapping[str, int] = field(default_factory=dict)
    release: str = "1"
    seed: int = 0
    operation_file: Path | None = None

    def stages(self) -> Mapping[str, str]:
        """Name the one stage."""
        return {self._catalogue.stage: self.shows}

    def suites(self) -> Mapping[str, str]:
        """Name each suite and say what it shows."""
        return SUITES

    def cases(self) -> Mapping[str, str]:
        """Name each case and the faults that it guards against."""
        return {name: case.guards for name, case in self.known_cases.items()}

    def faults(self) -> Mapping[str, str]:
        """Name each known fault and what is wrong in it."""
        return {name: fault.wrong for name, fault in self.known_faults.items()}

    def taps(self, case: str) -> Mapping[str, str]:
        """Map the taps that a case declares, in data-path order, to the group that they report to."""
        return {tap.name: tap.group for forward in self._forwards(case, torch.float32) for tap in forward.plan}

    def budgets(self) -> Budgets:
        """Give a fresh budget table."""
        return Budgets.load(self.budget_file)

    def run(self, request: RunRequest, progress: Progress = silent) -> RunResult:
        """Run the suites live and drift, in this process whatever `jobs` says."""
        suites = [_known("suite", name, SUITES) for name in request.suites or ("live", "drift")]
        self._refuse(request)
        cases = [_known("case", name, self.known_cases) for name in request.cases or self.known_cases]
        dtypes = [_known("dtype", name, _DTYPES) for name in request.dtypes or _DTYPES]
        jobs = [
            (suite, case, _DTYPES[dtype])
            for case in cases
            for suite in suites
            for dtype in dtypes
            if suite == "live" or dtype == "bfloat16"
        ]
        if not jobs:
            raise BadInputError("run", "no suite applies to these precisions", "at least one", "choose others, or none")
        budgets, results, explainer = self.budgets(), [], Explainer(self.operations())
        with _threads(request.threads):
            for done, (suite, case, dtype) in enumerate(jobs):
                progress(f"{suite} {case}", done, len(jobs))
                bar = Bar(suite, case, budgets, dtype, explainer=explainer, maps=Maps(self.operations()))
                results.append(self._judged(bar, request.fault))
        if not (request.cases or request.dtypes or request.fault):
            for suite in suites:
                budgets.refuse_unused(suite)
        return RunResult(tuple(results), self._provenance(request))

    def capture(self, request: CaptureRequest, progress: Progress = silent) -> Manifest:
        """Record a case of one side, or with `statistics` the figures of its taps."""
        self._refuse_elsewhere("capture", request.device, request.release)
        odd = {"--config": request.config is not None, "--weights": request.weights != "copies"}
        self._refuse_first("capture", odd)
        side = _known("side", request.side or SIDES[0], self.sides)
        dtype = _DTYPES[_known("dtype", request.dtype, _DTYPES)]
        forwards, model = self._forwards(request.case, dtype), self._model(side, dtype)
        if request.statistics:
            return self._statistics(request, model, forwards)
        if request.sketch is not None:
            told = self._manifest(request.case, dtype, side, request.command)
            sitting = Sitting(model, forwards, request.selection, request.sketch)
            return record_sketch(sitting, told, request.output, progress)
        kept = set(request.selection.names(name for forward in forwards for name in forward.plan.names))
        dropped = []
        with DumpWriter(request.output, request.limits) as writer:
            for done, forward in enumerate(forwards):
                progress(f"capture {forward.name}", done, len(forwards))
                for name, tensor in observe(model, forward).items():
                    if name not in kept:
                        continue
                    part = request.selection.cut(tensor)
                    if part.shape != tensor.shape:
                        dropped.append(DroppedTap(name, f"first {part.shape[1]} of {tensor.shape[1]} tokens"))
                    writer.write(name, part)
            writer.set_manifest(self._manifest(request.case, dtype, side, request.command, tuple(dropped)))
        with Dump.open(request.output) as dump:
            return dump.manifest

    def _statistics(self, request: CaptureRequest, model: Implementation, forwards: list[Forward]) -> Manifest:
        require_suffix(request.output)
        declared = (name for forward in forwards for name in forward.plan.names)
        visitor = StatisticsVisitor(request.selection, frozenset(request.selection.names(declared)))
        for forward in forwards:
            take_statistics(model, forward, visitor)
        taps = visitor.taken.finish()
        dtype, cut = _DTYPES[request.dtype], tuple(visitor.cut)
        found = replace(self._manifest(request.case, dtype, model.name, request.command, cut), tap_count=len(taps))
        write_statistics(Statistics(found, taps), request.output)
        return found

    def inputs(self, request: InputsRequest, progress: Progress = silent) -> InputsManifest:
        """Export the inputs and weights of a case."""
        self._refuse_elsewhere("inputs", "cpu", request.release)
        dtype = _DTYPES[_known("dtype", request.dtype, _DTYPES)]
        case = self.known_cases[_known("case", request.case, self.known_cases)]
        passes = case.passes()
        names = [_known("pass", name, passes) for name in request.passes or passes]
        plans = {forward.name: forward.plan for forward in self._forwards(request.case, dtype)}
        given = None if request.given is None else Given(request.given, request.taps)
        with TemporaryDirectory(prefix="ltx-parity-") as folder:
            file = Path(folder) / "weights.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in self.weights().items()}, file)
            found = CaseInputs(
                binding=self.name,
                stage=self._catalogue.stage,
                guards=case.guards,
                passes=tuple(
                    PassInputs(name, _cast_arguments(passes[name], dtype), {}, plans[name].names) for name in names
                ),
                weights={"weights": WeightsFile(file, "every weight by its neutral name, in float32")},
                origin=self._manifest(request.case, dtype, "inputs", request.command),
            )
            return write_inputs(request.output, found, given, progress)

    def compare_live(self, dump: Path, progress: Progress = silent) -> RunResult:
        """Run the candidate on the case of a dump, and judge it against the dump by the suite `live`."""
        with Dump.open(dump) as opened:
            told = opened.manifest
            case, dtype = _known("case", told.case, self.known_cases), _DTYPES[_known("dtype", told.dtype, _DTYPES)]
            require_same_origin(self._manifest(case, dtype, "candidate", "compare"), told)
            forwards = self._forwards(case, dtype)
            extra = sorted(set(opened.names) - {name for forward in forwards for name in forward.plan.names})
            if extra:
                raise IncompleteError(extra[0], "undeclared in the dump", "only declared taps", "record it again")
            bar = Bar("live", case, self.budgets(), dtype, maps=Maps(self.operations()))
            model = self._model("candidate", dtype)
            results = [judge_forward(model, RecordedOracle(opened, forward), forward, bar) for forward in forwards]
        found = CaseResult("live", case, self.known_cases[case].guards, told.dtype, tuple(results))
        return RunResult((found,), {"candidate": "candidate", "reference": str(dump), "release": self.release})

    def operations(self) -> Operations:
        """Give the table of which part of the model each tap shows; an empty one where there is no file."""
        return Operations() if self.operation_file is None else Operations.load(self.operation_file)

    def plans(self, case: str, dtype: str, release: str) -> list[TapPlan]:
        """Lay out the taps of each pass of a case."""
        self._refuse_elsewhere("plans", "cpu", release)
        return [forward.plan for forward in self._forwards(case, _DTYPES[_known("dtype", dtype, _DTYPES)])]

    def implementation(self, producer: str, release: str) -> str:
        """Give what the places of taps call the implementation that a dump is of: the name that it has there."""
        return _known("side", producer, SIDES)

    def locate(self, request: LocateRequest, progress: Progress = silent) -> Located:
        """Run a case (without one, the first) and blame the first pass that diverges."""
        self._refuse_elsewhere("locate", request.device, request.release)
        fault = None if request.fault is None else _known("fault", request.fault, self.known_faults)
        case = _known("case", request.case or next(iter(self.known_cases)), self.known_cases)
        dtype = _DTYPES[_known("dtype", request.dtype or "float32", _DTYPES)]
        suite = _known("suite", request.suite or "live", SUITES)
        bar = Bar(suite, case, self.budgets(), dtype, tuple(Mode), explainer=Explainer(self.operations()))
        progress(f"{suite} {case}", 0, 1)
        found = self._judged(bar, fault)
        return Located(
            case=case,
            dtype=found.dtype,
            passes=len(found.forwards),
            candidate="candidate",
            reference="reference",
            blame=next((forward.blame for forward in found.forwards if forward.blame is not None), None),
            incomplete=tuple(line for forward in found.forwards for line in forward.incomplete),
        )

    def sources(self) -> list[Path]:
        """Give the folder of the catalogue, where the candidate's code is looked for."""
        return [self.catalogue.parent]

    def bands(self) -> Bands:
        """Give none: budgets alone judge a small model."""
        return Bands(())

    def campaign_sources(self) -> list[Path]:
        """Give what `sources` gives."""
        return self.sources()

    @property
    def _catalogue(self) -> Catalogue:
        return Catalogue.load(self.catalogue)

    def _forwards(self, case: str, dtype: torch.dtype) -> list[Forward]:
        catalogue = self._catalogue
        repeats: Mapping[str, Sequence[Item]] = {w: Item.numbered(w, count) for w, count in self.repeats.items()}
        passes = self.known_cases[_known("case", case, self.known_cases)].passes()
        return [
            Forward(
                name,
                {key: argument.tensor for key, argument in _cast_arguments(arguments, dtype).items()},
                catalogue.expand(name, frozenset(), repeats),
            )
            for name, arguments in passes.items()
        ]

    def _model(self, side: str, dtype: torch.dtype, fault: str | None = None) -> Implementation:
        module = self.sides[side].load(self.weights()).to(dtype).eval()
        if fault is not None:
            self.known_faults[fault].plant(module)
        return Implementation(side, module, self.sides[side].call)  # type: ignore[arg-type]

    def _judged(self, bar: Bar, fault: str | None) -> CaseResult:
        candidate, reference = self._model("candidate", bar.working, fault), self._model("reference", bar.working)
        truth = self._model("reference", torch.float32)
        results = []
        for forward in self._forwards(bar.case, bar.working):
            oracle: Oracle = LiveOracle(reference, forward)
            if bar.suite == "drift":
                # The truth gets the very numbers of the working precision.
                wide = Forward(forward.name, _cast(forward.inputs, torch.float32), forward.plan)
                oracle = DriftOracle((reference, forward), (truth, wide))
            results.append(judge_forward(candidate, oracle, forward, bar))
        guards = self.known_cases[bar.case].guards
        return CaseResult(bar.suite, bar.case, guards, dtype_name(bar.working), tuple(results))

    def _refuse(self, request: RunRequest) -> None:
        """Refuse what a small model does not have."""
        for stage in request.stages:
            _known("stage", stage, self.stages())
        if request.fault is not None:
            _known("fault", request.fault, self.known_faults)
        self._refuse_elsewhere("run", request.device, request.release)
        odd = {
            "--reference recorded": request.reference == "recorded",
            "--real-size": request.real_size,
            "--live": request.lockstep,
            "--weights": request.weights != "copies",
            "--config": request.config is not None,
            "--attention": request.attention != "auto",
        }
        self._refuse_first("run", odd)

    def _refuse_elsewhere(self, verb: str, device: str, release: str | None) -> None:
        self._refuse_first(verb, {"--device": device != "cpu", "--release": release not in (None, self.release)})

    def _refuse_first(self, verb: str, odd: Mapping[str, bool]) -> None:
        for what in (option for option, asked in odd.items() if asked):
            raise BadInputError(f"{verb}: {what}", f"not of {self.name}", "what this model has", "leave it out")

    def _manifest(
        self, case: str, dtype: torch.dtype, side: str, command: str, dropped: tuple[DroppedTap, ...] = ()
    ) -> Manifest:
        hashed = "".join(f"{name}\0{content_hash(tensor)}\0" for name, tensor in sorted(self.weights().items()))
        return Manifest(
            producer=side,
            release=self.release,
            commit=None,
            case=case,
            checkpoint_sha256=hashlib.sha256(hashed.encode()).hexdigest(),
            input_sha256={
                f"{forward.name}.{name}": content_hash(tensor)
                for forward in self._forwards(case, dtype)
                for name, tensor in forward.inputs.items()
            },
            torch_version=torch.__version__,
            device=f"cpu, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
            determinism={"num_threads": torch.get_num_threads()},
            seed=self.seed,
            dtype=dtype_name(dtype),
            command=command,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            sizes=dict(self.repeats),
            dropped=dropped,
            extra={"binding": self.name},
        )

    def _provenance(self, request: RunRequest) -> dict[str, str]:
        return {
            "candidate": f"{self.name}, candidate",
            "reference": f"{self.name}, reference, live",
            "release": self.release,
            "torch": torch.__version__,
            "planted_fault": request.fault or "none",
        }


def _known(what: str, name: str, known: Iterable[str]) -> str:
    if name not in (listed := list(known)):
        raise BadInputError(f"{what} {name!r}", "unknown", f"one of {', '.join(listed) or 'none'}", "choose one")
    return name


def _cast_arguments(arguments: Mapping[str, Argument], dtype: torch.dtype) -> dict[str, Argument]:
    cast = _cast({name: argument.tensor for name, argument in arguments.items()}, dtype)
    return {name: Argument(cast[name], argument.meaning) for name, argument in arguments.items()}


def _cast(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
