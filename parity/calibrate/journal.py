"""Measured runs on disk, one file each, published whole: a kill loses nothing that was measured."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from parity.calibrate.ensemble import Table, Yardstick, floors
from parity.calibrate.reading import AGAINST, COLUMNS
from parity.errors import BadInputError
from parity.run.forward import Mode
from parity.store import content_hash, seal
from parity.store.whole_file import publish

# Raised when a run of the same name would come out otherwise: what was measured before is then measured again.
SCHEMA = "ltx-parity/calibration/2"


@dataclass(frozen=True)
class RunKey:
    """What one run measured: a case in a working precision, inputs drawn from a seed, a member of the ensemble."""

    stage: str
    case: str
    dtype: str
    release: str
    seed: int
    member: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.case}-{self.dtype}-{self.release}-{self.seed}-{self.member}.safetensors"


@dataclass(frozen=True)
class Run:
    """A measured run: the names of its taps, their readings, and for each what one rounding of it may make."""

    key: RunKey
    names: tuple[str, ...]
    table: Table
    floors: Table

    @staticmethod
    def of(key: RunKey, yardstick: Yardstick, table: Table) -> "Run":
        """Put a run together."""
        own = np.array([floors(yardstick.tensor(name)) for name in yardstick.names]).reshape(-1, len(COLUMNS))
        return Run(key, yardstick.names, table, own)


@cache
def machine() -> Mapping[str, str]:
    """Say what numbers depend on besides the code that is measured."""
    return {
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {_processor()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown processor")


class Journal:
    """A folder of measured runs."""

    def __init__(self, folder: Path):
        self._folder = folder

    def has(self, key: RunKey, names: tuple[str, ...]) -> bool:
        """Whether this run was measured on these taps, by this code and torch, on this machine."""
        path = self._folder / key.file
        try:
            with safe_open(path, framework="pt") as file:
                told = dict(file.metadata() or {})
            return told.pop(seal.KEY, None) is not None and told == _identity(key, names)
        except (OSError, SafetensorError):
            return False

    def write(self, run: Run) -> None:
        """Keep a run; it appears under its name only when it is whole."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise BadInputError(str(self._folder), got, "a folder for runs", "choose another --output") from error
        tensors = {"readings": torch.from_numpy(run.table).float(), "floors": torch.from_numpy(run.floors).float()}
        identity = _identity(run.key, run.names)
        publish(self._folder / run.key.file, save(tensors, identity | {seal.KEY: _digest(identity, tensors)}))

    def read(self, key: RunKey, names: tuple[str, ...]) -> Run:
        """Give a run that `has` says is there; BadInputError where it is not, or was cut short or edited."""
        path = self._folder / key.file
        if not self.has(key, names):
            raise BadInputError(str(path), "missing, damaged or stale", "a measured run", "calibrate again")
        with safe_open(path, framework="pt") as file:
            tensors, told = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
        if told[seal.KEY] != _digest(_identity(key, names), tensors):
            raise BadInputError(str(path), "edited since it was written", "a digest over the rest of it", "remove it")
        readings = (len(Mode), len(names), len(AGAINST), len(COLUMNS))
        expected = {"readings": (torch.float32, readings), "floors": (torch.float32, (len(names), len(COLUMNS)))}
        found = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
        if found != expected:
            raise BadInputError(str(path), f"{found!r:.160}", f"{expected}", "remove it")
        return Run(key, names, tensors["readings"].double().numpy(), tensors["floors"].double().numpy())


def _digest(identity: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    return seal.digest_of(
        {**identity, "tensors": {name: content_hash(tensors[name]) for name in sorted(tensors)}}, "run"
    )


def _identity(key: RunKey, names: tuple[str, ...]) -> dict[str, str]:
    taps = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return {"schema": SCHEMA, "key": json.dumps(asdict(key), sort_keys=True), "taps": taps, **machine()}
