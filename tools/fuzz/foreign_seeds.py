"""Whole inputs of the kinds that ports in other languages write, and that are written for them."""

from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from fuzz.seeds import TENSORS
from parity.foreign.files import IDENTITY_KEY
from parity.foreign.inputs_manifest import (
    MANIFEST_FILE,
    ArgumentRecord,
    FileRecord,
    GivenRecord,
    InputsManifest,
    PassRecord,
    TensorRecord,
    ValueRecord,
    WeightsRecord,
)
from parity.foreign.inputs_manifest import SCHEMA as INPUTS_SCHEMA

_MAPPING = """schema = 1
covers = ["toy.*"]
unsigned = "the writer has no metadata"
[each]
block = { first = 0, last = 3 }
part = [{ tap = "q", from = "wq", third = 0 }, { tap = "k", from = "wk", third = 1 }]
[[skip]]
taps = ["*.context"]
reason = "fused"
[[ignore]]
from = ["*/scratch"]
reason = "used again"
[[tap]]
tap = "toy.block{block:02}.{part.tap}"
from = "blk.{block+1}.{part.from}"
steps = [{ transpose = [0, 1] }, { slice = [0, 4], stride = 2, axis = 1 }, { cast = "bfloat16", rounding = "why" }]
confidence = 0.8
note = "a proposal"
[[tap]]
tap = "toy.joined"
from = ["a", { name = "b", steps = [{ split = [1, 2], take = 1 }, { scale = 2.0 }] }]
steps = [{ concat = -1 }, { reshape = [1, -1] }, { rope = "interleaved-to-split", heads = 2 }, { add = -1.0 }]
shared = "also read"
each.step = [1, 2]
"""


def mappings(folder: Path) -> list[Path]:
    """Write a mapping file that has everything."""
    (folder / "map.toml").write_text(_MAPPING)
    return [folder / "map.toml"]


def inputs_manifests(folder: Path) -> list[Path]:
    """Write a manifest of exported inputs, alone."""
    tensor = TensorRecord(name="x", dtype="bfloat16", shape=[2, 3], sha256="a" * 64)
    argument = ArgumentRecord(**vars(tensor), argument="video.x", meaning="tokens")
    setting = ValueRecord(name="video.enabled", value={"a": [1, 0.5, None, "b"]}, meaning="whether")
    file = FileRecord(path="weights/x.safetensors", bytes=12, sha256="b" * 64, tensors=[tensor])
    found = InputsManifest(
        schema=INPUTS_SCHEMA, binding="ltx23", stage="toy", case="small", guards="A1", release="1.0.0",
        dtype="bfloat16", identity="c" * 64, checkpoint_sha256="d" * 64, seed=7, command="inputs",
        created="2026-01-02T03:04:05+00:00", inputs="inputs.safetensors", options=[setting],
        passes=[PassRecord(name="p", arguments=[argument], settings=[setting], taps=["toy.p.a"])],
        weights=[WeightsRecord(name="checkpoint", meaning="weights", files=[file])],
        given=GivenRecord(producer="official", release="1.0.0", file="given.safetensors", tensors=[tensor]),
    )  # fmt: skip
    (folder / MANIFEST_FILE).write_bytes(found.to_bytes())
    return [folder / MANIFEST_FILE]


def foreign_tensors(folder: Path) -> list[Path]:
    """Write what a port in another language computed, as safetensors."""
    tensors = {name: TENSORS[name].clone() for name in TENSORS}
    save_file(tensors, folder / "port.safetensors", {IDENTITY_KEY: "e" * 64})
    return [folder / "port.safetensors"]


def arrays(folder: Path) -> list[Path]:
    """Write the same as an array of numpy, and the identity beside it."""
    (folder / "arrays" / "block").mkdir(parents=True)
    (folder / "arrays" / "identity.txt").write_text("e" * 64 + "\n")
    np.save(folder / "arrays" / "x.npy", np.arange(12, dtype=np.float32))
    return [folder / "arrays" / "x.npy", folder / "arrays" / "identity.txt"]
