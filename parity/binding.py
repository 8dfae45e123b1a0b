"""What a model brings to the harness: its cases, and how they are run and recorded."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module, metadata
from pathlib import Path
from typing import Protocol

from parity.blame import FaultOutcome, Located, Operations
from parity.calibrate.band import Bands
from parity.calibrate.request import CalibrateRequest, Calibration
from parity.capture import Selection
from parity.chain import ChainRequest, Chains
from parity.chain.progress import Progress as Progress
from parity.chain.progress import silent as silent
from parity.errors import BadInputError
from parity.foreign.inputs_manifest import InputsManifest
from parity.judge import Budgets
from parity.report import Report
from parity.run.record import RunResult
from parity.sketch.capture import SketchRequest
from parity.store import Manifest, WriteLimits
from parity.taps import TapPlan
from parity.trajectory import StepTaps


class WeightsForm(StrEnum):
    """How implementations hold weights that are made on the device.

    Each its own; all the same tensors; or these with the blocks of a model coming and going in turn.
    """

    COPIES = "copies"
    SHARED = "shared"
    STREAMED = "streamed"


@dataclass(frozen=True)
class RunRequest:
    """What `ltx-parity run` asks for; empty tuples mean all that applies.

    `reference` is live (the running reference), recorded (dumps), or auto (live where it is installed, recorded for
    other releases). `release` is the one of the reference to follow; None: every one that can be judged here.
    `real_size` takes the cases at real size in the place of the tiny ones. `fault` plants a known fault in the
    candidate; `attention` and `threads` vary how the candidate computes. `jobs` processes share the work. `lockstep`
    runs candidate and reference side by side and keeps no tap, with weights that are made on the device in the form
    `weights`. `config` takes the cases of one configuration.
    """

    stages: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    reference: str = "auto"
    release: str | None = None
    real_size: bool = False
    device: str = "cpu"
    fault: str | None = None
    attention: str = "auto"
    threads: int | None = None
    jobs: int = 1
    lockstep: bool = False
    weights: WeightsForm = WeightsForm.COPIES
    config: str | None = None


@dataclass(frozen=True)
class GateRequest:
    """What `ltx-parity gate` asks for: proof of the candidate in one way to run it.

    `release` None is the newest that the candidate follows; `certificates` None the folder where the candidate looks.
    """

    device: str = "cpu"
    dtype: str = "bfloat16"
    attention: str = "auto"
    release: str | None = None
    jobs: int = 1
    certificates: Path | None = None


@dataclass(frozen=True)
class GateOutcome:
    """What the gate found: the report, the certificate `written` for a pass, or the older one `removed` without one."""

    report: Report
    written: Path | None
    removed: Path | None


@dataclass(frozen=True)
class CaptureRequest:
    """What `ltx-parity capture` asks for: one case of one implementation in one precision, to one dump.

    `side` is empty for the candidate. `statistics`: to a document of fingerprints, without tensors; then there is
    nothing to limit. `sketch`: to a sketch, whose limits are its own. `config` is what the case's must be. `weights`:
    the form of weights that are made on the device.
    """

    case: str
    side: str
    dtype: str
    output: Path
    command: str
    selection: Selection = field(default_factory=Selection)
    limits: WriteLimits = field(default_factory=WriteLimits)
    device: str = "cpu"
    release: str | None = None
    statistics: bool = False
    sketch: SketchRequest | None = None
    config: str | None = None
    weights: WeightsForm = WeightsForm.COPIES


@dataclass(frozen=True)
class LocateRequest:
    """What `ltx-parity locate` asks for: where a case goes wrong, live; or where a planted fault does.

    Without `case`, `dtype` or `release` those of the fault are taken (the case's first dtype, the installed release).
    """

    case: str | None = None
    dtype: str | None = None
    fault: str | None = None
    suite: str | None = None
    release: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class CampaignRequest:
    """What `ltx-parity faults` asks for; empty tuples mean all. `jobs` processes share the work.

    Faults in `known` are not planted: their outcomes are there already.
    """

    stages: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    jobs: int = 1
    known: frozenset[str] = frozenset()


def unheard(_: FaultOutcome) -> None:
    """Tell nobody of an outcome."""


@dataclass(frozen=True)
class InputsRequest:
    """What `ltx-parity inputs` asks for: the inputs and weights of a case, in a folder for a port in any language.

    `passes` narrows it to some passes. `given` is a dump of the reference, whose taps that match `taps` are exported
    as well.
    """

    case: str
    dtype: str
    output: Path
    command: str
    passes: tuple[str, ...] = ()
    release: str | None = None
    given: Path | None = None
    taps: tuple[str, ...] = ()


class Binding(Protocol):
    """A model bound to the harness, found through the entry point group `parity.bindings`."""

    def stages(self) -> Mapping[str, str]:
        """Name each stage in data-path order, and say what it shows."""
        ...

    def suites(self) -> Mapping[str, str]:
        """Name each suite and say what it shows."""
        ...

    def cases(self) -> Mapping[str, str]:
        """Name each case and the faults that it guards against."""
        ...

    def faults(self) -> Mapping[str, str]:
        """Name each known fault and what is wrong in it."""
        ...

    def taps(self, case: str) -> Mapping[str, str]:
        """Map the taps that a case declares, in data-path order, to the group that they report to."""
        ...

    def budgets(self) -> Budgets:
        """Give a fresh budget table."""
        ...

    def budget_lock(self) -> Path:
        """Say where the record of the budgets is kept."""
        ...

    def bands(self) -> Bands:
        """Give what error is legitimate at each tap of the cases that were calibrated."""
        ...

    def calibrate(self, request: CalibrateRequest, progress: Progress = silent) -> Calibration:
        """Measure what error is legitimate, and write it down."""
        ...

    def run(self, request: RunRequest, progress: Progress = silent) -> RunResult:
        """Run suites."""
        ...

    def gate(self, request: GateRequest, progress: Progress = silent) -> GateOutcome:
        """Run all that proves the candidate in one way to run it, and certify it where all of that passes."""
        ...

    def capture(self, request: CaptureRequest, progress: Progress = silent) -> Manifest:
        """Record a case."""
        ...

    def operations(self) -> Operations:
        """Give the table of which part of the model each tap shows."""
        ...

    def plans(self, case: str, dtype: str, release: str) -> Sequence[TapPlan]:
        """Lay out the taps of each pass of a case."""
        ...

    def implementation(self, producer: str, release: str) -> str:
        """Give what the places of taps call the implementation that a dump is of."""
        ...

    def locate(self, request: LocateRequest, progress: Progress = silent) -> Located:
        """Run a case until a pass diverges, and blame it."""
        ...

    def asked_faults(self, request: CampaignRequest) -> Sequence[str]:
        """Name the faults that a campaign is about, known ones too, in the order in which they are registered."""
        ...

    def campaign(
        self, request: CampaignRequest, progress: Progress = silent, found: Callable[[FaultOutcome], None] = unheard
    ) -> Sequence[FaultOutcome]:
        """Plant every fault that is asked for, one by one; `found` is told of each outcome at once."""
        ...

    def campaign_sources(self) -> Sequence[Path]:
        """Give the folders whose files decide what a campaign finds."""
        ...

    def inputs(self, request: InputsRequest, progress: Progress = silent) -> InputsManifest:
        """Export the inputs and weights of a case (`parity.foreign.export.write_inputs` writes them)."""
        ...

    def compare_live(self, dump: Path, progress: Progress = silent) -> RunResult:
        """Run the candidate on the case of a dump, and judge it against the dump."""
        ...

    def sources(self) -> list[Path]:
        """Give the folders of the candidate's code, to watch for changes."""
        ...

    def numerics(self) -> Mapping[str, str]:
        """Name each way to compute a whole run, and what it rounds; the first is the truth."""
        ...

    def chains(self, request: ChainRequest) -> AbstractContextManager[Chains]:
        """Lay out a whole run as chains of links, one for each of the numerics, while the block lasts."""
        ...

    def step_taps(self) -> StepTaps:
        """Say which taps show the state behind a denoise step, and its guidance."""
        ...


def load_binding(name: str) -> Binding:
    """Give an installed binding by name, or any by import path: `package.module:BINDING`.

    BadInputError where there is none. The folder that the command runs in is looked into as well.
    """
    if ":" in name:
        return _imported(name)
    found = {point.name: point for point in metadata.entry_points(group="parity.bindings")}
    if name not in found:
        raise BadInputError(
            f"model {name!r}",
            "no such binding",
            f"one of {', '.join(sorted(found)) or 'none installed'}, or package.module:BINDING",
            "choose one",
        )
    binding: Binding = found[name].load()
    return binding


def _imported(name: str) -> Binding:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    # A script's own folder is on the path, and not the folder that it was started in.
    sys.path.insert(0, here)
    try:
        binding: Binding = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInputError(
            f"model {name!r}", f"not found ({error})", "package.module:BINDING that can be imported", "correct it"
        ) from error
    finally:
        sys.path.remove(here)
    missing = [entry for entry in _NEEDED if not callable(getattr(binding, entry, None))]
    if missing:
        raise BadInputError(
            f"model {name!r}", f"a {type(binding).__name__} without {missing[0]}", "a parity.binding.Binding", "add it"
        )
    return binding


# What the verbs ask of a binding. One that cannot do something says so where it is asked, as parity.plain_binding does.
_NEEDED = tuple(name for name in vars(Binding) if not name.startswith("_"))
