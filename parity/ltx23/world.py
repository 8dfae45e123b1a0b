"""Checkpoints and live models, made when first asked for and kept while a run lasts."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from ltx_port.checkpoint.config import TransformerConfig
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.transformer.attention import AttentionBackend
from parity.errors import BadInputError
from parity.ltx23.cases import SEED, Case
from parity.ltx23.configs import config_text
from parity.ltx23.faults import Fault
from parity.ltx23.passes import ForwardPass
from parity.ltx23.port import call_port, load_port
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint
from parity.run.forward import Forward, Implementation
from parity.taps import Catalogue

CATALOGUE = Path(str(files("parity.ltx23"))) / "catalogues" / "transformer.toml"


@cache
def transformer_catalogue() -> Catalogue:
    """The taps of the transformer."""
    return Catalogue.load(CATALOGUE)


@dataclass(frozen=True)
class Variation:
    """How the candidate departs from the port as it is: a planted fault, another attention kernel."""

    fault: Fault | None = None
    attention: AttentionBackend = AttentionBackend.AUTO


@dataclass
class World:
    """Everything that the cases of one run share. A context manager: its files go when it ends."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    variation: Variation = field(default_factory=Variation)

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ltx-parity-")
        self._checkpoints: dict[tuple[str, int | None], Path] = {}
        self._models: dict[tuple[str, Path, torch.dtype], Implementation] = {}

    def __enter__(self) -> "World":
        """Keep checkpoints and models until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the models and remove the files."""
        self._models.clear()
        self._folder.cleanup()

    def checkpoint(self, case: Case, edits: Mapping[str, Any] | None = None) -> Path:
        """Give the case's synthetic checkpoint; `edits` replaces keys of its transformer configuration."""
        document = json.loads(config_text(case.config))
        document["transformer"].update({**case.config_edits, **(edits or {})})
        key = (json.dumps(document), case.layers)
        if key not in self._checkpoints:
            path = Path(self._folder.name) / f"{len(self._checkpoints)}.safetensors"
            spec = CheckpointSpec(key[0], SEED, num_layers=case.layers)
            write_checkpoint(path, spec, self.device)
            self._checkpoints[key] = path
        return self._checkpoints[key]

    def config(self, case: Case) -> TransformerConfig:
        """Give the case's transformer configuration, as its checkpoint states it."""
        return CheckpointFile.open(self.checkpoint(case)).config.transformer

    def port(self, case: Case, dtype: torch.dtype) -> Implementation:
        """Give the candidate: the port on the case's checkpoint, varied as asked."""
        fault = self.variation.fault
        path = self.checkpoint(case, fault.config if fault else None)
        key = ("port", path, dtype)
        if key not in self._models:
            model = load_port(path, self.device, dtype)
            model.transformer.set_attention_backend(self.variation.attention)
            if fault is not None:
                fault.plant(model)
            self._models[key] = Implementation("port", model, call_port)
        return self._models[key]

    def official(self, case: Case, dtype: torch.dtype) -> Implementation:
        """Give the running reference on the case's checkpoint; BadInputError where it is not installed."""
        # Imported here: everything but live parity works without the official packages.
        from reference_dumps.official.installed import require_release

        require_release(REFERENCE_RELEASE)
        from reference_dumps.official.transformer import call_official_transformer, load_official_transformer

        path = self.checkpoint(case)
        key = ("official", path, dtype)
        if key not in self._models:
            model = load_official_transformer(path, self.device, dtype)
            self._models[key] = Implementation("official", model, call_official_transformer)
        return self._models[key]

    def forwards(self, case: Case, dtype: torch.dtype) -> list[Forward]:
        """Give the case's passes with their taps, inputs on the device."""
        config = self.config(case)
        return [self._forward(p, config) for p in case.passes(config, dtype)]

    def _forward(self, forward: ForwardPass, config: TransformerConfig) -> Forward:
        plan = transformer_catalogue().expand(forward.name, config.num_layers, forward.flags)
        return Forward(forward.name, forward.on(self.device), plan)

    def widened(self, forward: Forward) -> Forward:
        """Give the same pass in float32, its inputs bit for bit the same numbers."""
        return Forward(forward.name, forward.inputs.to(torch.float32), forward.plan)


REFERENCE_RELEASE = "1.0.0"


def sha256(path: Path) -> str:
    """Give the hash of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def dtype_named(name: str) -> torch.dtype:
    """Give a working precision by name; BadInputError for another name."""
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
    if name not in known:
        raise BadInputError(f"dtype {name!r}", "unknown", f"one of {', '.join(known)}", "choose one")
    return known[name]
