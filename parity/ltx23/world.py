"""Checkpoints and live models, made when first asked for and kept while a run lasts."""

import gc
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import nn

from ltx_port.checkpoint.config import CheckpointConfig
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.pipeline.determinism import proven_settings
from parity.binding import WeightsForm
from parity.errors import BadInputError
from parity.ltx23.configs import config_text
from parity.ltx23.fault import Fault
from parity.ltx23.stage import SEED, Case, Load, Pass, Setting
from parity.ltx23.stages import stage_of
from parity.ltx23.synthetic.resident import ResidentWeights
from parity.ltx23.synthetic.room import Needs, free_bytes, require_room
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.streamed import StreamedWeights
from parity.ltx23.synthetic.write import write_checkpoint
from parity.ltx23.terms import inputs_from
from parity.run.forward import Forward, Implementation

PROVEN_LIVE = "1.0.0"


@dataclass(frozen=True)
class Variation:
    """How the candidate departs from the port as it is: a planted fault, another attention kernel."""

    fault: Fault | None = None
    attention: str = "auto"


@dataclass
class World:
    """Everything that the cases of one run share. A context manager: its files go when it ends.

    `weights` is how the implementations of a resident case hold theirs; `free` says how many bytes a device has for
    them, None where nobody asks. `inputs` is the seed that the cases draw their inputs from; it may be set anew while
    the world lasts.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    variation: Variation = field(default_factory=Variation)
    release: str = PROVEN_LIVE
    weights: WeightsForm = WeightsForm.COPIES
    inputs: int = SEED
    free: Callable[[torch.device], int | None] = free_bytes

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ltx-parity-")
        self._made: dict[tuple[str, ...], Path] = {}
        self._numbers = itertools.count()
        self._configs: dict[Path, CheckpointConfig] = {}
        self._models: dict[tuple[object, ...], Implementation] = {}
        self._weights: dict[Path, ResidentWeights] = {}

    def __enter__(self) -> "World":
        """Keep checkpoints and models until the end of the block."""
        self._cudnn = proven_settings()
        self._cudnn.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the models and remove the files."""
        self._cudnn.__exit__(kind, error, trace)
        self._models.clear()
        self._weights.clear()
        self._folder.cleanup()

    def clear(self) -> None:
        """Drop the live models and remove the files: one case at real size leaves no room for the next one's."""
        self._models.clear()
        self._weights.clear()
        self._configs.clear()
        for path in self._made.values():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._made.clear()
        # What lies in cycles of references would be freed some time, and counts as taken until then.
        gc.collect()

    def vary(self, variation: Variation) -> None:
        """Build candidates in another variation from now on; files and reference stay."""
        self.variation = variation
        self._models = {key: model for key, model in self._models.items() if key[0] != "port"}

    @property
    def reference_name(self) -> str:
        """What the catalogue calls the reference."""
        return reference_named(self.release)

    def checkpoint(self, case: Case, edits: Mapping[str, Any] | None = None) -> Path:
        """Give the case's synthetic checkpoint; `edits` replaces dotted keys of its configuration.

        Of a resident case it is the header alone, with the metadata.
        """
        spec = _spec(case, edits)
        written = replace(spec, components=()) if case.resident else spec
        key = ("checkpoint", spec.config, str(case.layers), str(case.resident), *spec.components)
        path = self._file(key, lambda path: write_checkpoint(path, written, self.device))
        if case.resident and path not in self._weights:
            self._weights[path] = self._resident(spec, path)
        return path

    def _resident(self, spec: CheckpointSpec, path: Path) -> ResidentWeights:
        if self.weights is WeightsForm.STREAMED:
            return StreamedWeights(spec, path, self.device)
        return ResidentWeights(spec, path, self.device, self.weights is WeightsForm.SHARED)

    def require_room(self, case: Case, dtype: torch.dtype, sides: int) -> None:
        """Refuse weights of a resident case, held by `sides` implementations, that the device has no room for.

        BadInputError names a form that fits. What is loaded already, for another case, is not asked for again.
        """
        path = self.checkpoint(case)
        loaded = any(path in key and dtype in key for key in self._models)
        weights, free = self._weights.get(path), self.free(self.device)
        if weights is not None and free is not None and not loaded:
            require_room(f"{case.id} on {self.device}", self.weights, Needs.of(weights, dtype, sides), free)

    def made_from(self, case: Case) -> str:
        """Say from what the weights of the case's checkpoint can be made again: seed, profile, components, versions."""
        return _spec(case, None).metadata()["synthetic"]

    def files(self, case: Case, edits: Mapping[str, Any] | None = None) -> dict[str, Path]:
        """Give every file that the case's implementations are loaded from."""
        found = {"checkpoint": self.checkpoint(case, edits)}
        stage = stage_of(case)
        for name, write in stage.files.items():
            key = (name, case.id, *([str(self.inputs)] if name in stage.drawn else []))
            with inputs_from(self.inputs):
                found[name] = self._file(key, lambda path, write=write: write(path, case))  # type: ignore[misc]
        return found

    def _file(self, key: tuple[str, ...], write: Callable[[Path], object]) -> Path:
        if key not in self._made:
            path = Path(self._folder.name) / f"{next(self._numbers)}.safetensors"
            write(path)
            self._made[key] = path
        return self._made[key]

    def setting(self, case: Case, dtype: torch.dtype) -> Setting:
        """Give what the case's passes and taps are laid out for."""
        path = self.checkpoint(case)
        if path not in self._configs:
            self._configs[path] = CheckpointFile.open(path).config
        return Setting(self._configs[path], dtype, self.release)

    def passes(self, case: Case, dtype: torch.dtype) -> list[Pass]:
        """Give the case's passes in a precision, on the CPU."""
        with inputs_from(self.inputs):
            return [forward.to(dtype) for forward in case.build(self.setting(case, dtype))]

    def port(self, case: Case, dtype: torch.dtype) -> Implementation:
        """Give the candidate: the port on the case's files, varied as asked."""
        fault, stage = self.variation.fault, stage_of(case)
        if fault is not None and fault.stage != stage.id:
            fault = None
        files = self.files(case, fault.config if fault else None)
        key = ("port", stage.id, dtype, repr(case.options), *files.values())
        if key not in self._models:
            load = self._load(files, case, dtype, self.variation.attention)
            model = stage.load(load)
            if fault is not None:
                _plant(fault, model, self.weights if case.resident else WeightsForm.COPIES)
            _stream(load, model)
            self._models[key] = Implementation("port", model, stage.call)
        return self._models[key]

    def official(self, case: Case, dtype: torch.dtype) -> Implementation:
        """Give the running reference on the case's files; BadInputError where its release is not installed."""
        # Imported here: everything but live parity works without the official packages.
        from reference_dumps.official.installed import require_release

        require_release(self.release)
        stage, files = stage_of(case), self.files(case)
        key = ("official", stage.id, dtype, repr(case.options), *files.values())
        if key not in self._models:
            adapter = import_module(f"reference_dumps.official.{stage.official}")
            load = self._load(files, case, dtype)
            model = adapter.load(load)
            _stream(load, model)
            self._models[key] = Implementation(self.reference_name, model, adapter.call)
        return self._models[key]

    def _load(self, files: Mapping[str, Path], case: Case, dtype: torch.dtype, attention: str = "auto") -> Load:
        weights = self._weights.get(files["checkpoint"])
        return Load(files, self.device, dtype, self.release, case.options, attention, weights)

    def forwards(self, case: Case, dtype: torch.dtype) -> list[Forward]:
        """Give the case's passes with their taps, inputs on the device."""
        setting, plan = self.setting(case, dtype), stage_of(case).plan
        return [Forward(p.name, p.on(self.device), plan(p, setting)) for p in self.passes(case, dtype)]

    def widened(self, forward: Forward) -> Forward:
        """Give the same pass in float32, its inputs bit for bit the same numbers."""
        return Forward(forward.name, forward.inputs.to(torch.float32), forward.plan)


def _spec(case: Case, edits: Mapping[str, Any] | None) -> CheckpointSpec:
    document = json.loads(config_text(case.config))
    for dotted, value in {**case.config_edits, **(edits or {})}.items():
        _replace(document, dotted, value)
    components = stage_of(case).components if case.components is None else case.components
    return CheckpointSpec(json.dumps(document), SEED, components=components, num_layers=case.layers)


def _stream(load: Load, model: nn.Module) -> None:
    if isinstance(load.weights, StreamedWeights):
        load.weights.stream(model)


def _plant(fault: Fault, model: nn.Module, form: WeightsForm) -> None:
    """Plant a fault; BadInputError for one in weights that are not the candidate's alone."""
    if form is WeightsForm.COPIES:
        fault.plant(model)
        return
    versions = [parameter._version for parameter in model.parameters()]
    try:
        fault.plant(model)
    except RuntimeError:
        # What stands in for weights that are not there cannot be written to.
        if form is not WeightsForm.STREAMED:
            raise
        changed = True
    else:
        changed = [parameter._version for parameter in model.parameters()] != versions
    if changed:
        got = f"it changes weights, which are {form}"
        raise BadInputError(f"fault {fault.id}", got, "weights of the candidate's own", "give --weights copies")


def reference_named(release: str) -> str:
    """Give what catalogues call the reference of a release."""
    return "official" if release == PROVEN_LIVE else "newest"


def _replace(document: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for name in path:
        document = document[name]
    document[last] = value


def sha256(path: Path) -> str:
    """Give the hash of a file's bytes, or of all files of a folder with their names."""
    if path.is_dir():
        digest = hashlib.sha256()
        for inside in sorted(path.rglob("*")):
            if inside.is_file():
                digest.update(f"{inside.relative_to(path)}\0{sha256(inside)}\0".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def dtype_named(name: str) -> torch.dtype:
    """Give a working precision by name; BadInputError for another name."""
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
    if name not in known:
        raise BadInputError(f"dtype {name!r}", "unknown", f"one of {', '.join(known)}", "choose one")
    return known[name]


def device_named(name: str) -> torch.device:
    """Give a device by name; BadInputError for another name, or one that this machine lacks."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadInputError(f"device {name!r}", "unknown", "cpu or cuda", "choose one") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInputError(f"device {name!r}", "torch sees no CUDA device", "a CUDA device", "use --device cpu")
    return device
