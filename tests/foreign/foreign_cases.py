"""A reference's dump, what a foreign port wrote, and the judgement of one by the other, small enough to be read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from parity.foreign.files import IDENTITY_KEY, ForeignFile, identity_of
from parity.foreign.judging import ForeignPair, compare_foreign
from parity.foreign.mapping import TapMapping
from parity.judge import Budgets
from parity.run.record import RunResult
from parity.store import Dump, DumpWriter, Manifest

BUDGETS = """
schema = 1
[[budget]]
suite = "foreign"
rule = "same-values"
taps = ["*"]
reason = "tests move numbers about"
"""


def manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "producer": "official", "release": "1", "commit": None, "case": "case", "checkpoint_sha256": "a" * 64,
        "input_sha256": {"x": "b" * 64}, "torch_version": "2", "device": "cpu", "determinism": {}, "seed": 0,
        "dtype": "float32", "command": "capture", "created": "2026-01-02T03:04:05+00:00", "sizes": {}, "extra": {},
    }  # fmt: skip
    return Manifest(**(fields | changes))


IDENTITY = identity_of(manifest())


def numbers(*shape: int, dtype: torch.dtype = torch.float32, first: int = 0) -> Tensor:
    """Give different numbers, all of which a short dtype holds."""
    count = torch.Size(shape).numel()
    return torch.arange(first, first + count).reshape(shape).to(dtype)


def write_dump(path: Path, tensors: Mapping[str, Tensor], **changes: Any) -> Path:
    with DumpWriter(path) as writer:
        writer.set_manifest(manifest(**changes))
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    return path


def write_port(path: Path, tensors: Mapping[str, Tensor], identity: str | None = IDENTITY) -> Path:
    told = None if identity is None else {IDENTITY_KEY: identity}
    save_file(
        {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()},
        path,
        metadata=told,
    )
    return path


def entry(tap: str, name: str, *steps: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"tap": tap, "from": name, **({"steps": [dict(step) for step in steps]} if steps else {}), **more}


def mapping(*entries: Mapping[str, Any], **more: Any) -> TapMapping:
    return TapMapping.read({"schema": 1, "tap": [dict(one) for one in entries], **more}, "map.toml")


Judge = Callable[..., RunResult]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Judge a foreign port's tensors by a mapping, beside a reference's."""
    budgets = tmp_path / "budgets.toml"
    budgets.write_text(BUDGETS, encoding="utf-8")

    def judged(
        reference: Mapping[str, Tensor],
        port: Mapping[str, Tensor],
        used: TapMapping,
        identity: str | None = IDENTITY,
        **changes: Any,
    ) -> RunResult:
        dump, foreign = tmp_path / "reference.h5", tmp_path / "port.safetensors"
        dump.unlink(missing_ok=True)
        write_dump(dump, reference, **changes)
        write_port(foreign, port, identity)
        with Dump.open(dump) as opened, ForeignFile.open(foreign) as file:
            groups = dict.fromkeys(reference, "group")
            return compare_foreign(ForeignPair(file, used, opened, Budgets.load(budgets), "foreign", groups))

    return judged
