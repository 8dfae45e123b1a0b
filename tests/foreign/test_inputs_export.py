"""`ltx-parity inputs`: a script that knows only safetensors and JSON does a case over again; tampering is refused."""

import hashlib
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_cases import manifest, numbers
from safetensors.numpy import load_file, save_file

from parity.cli import main
from parity.errors import BadInputError
from parity.foreign.case_inputs import Argument, CaseInputs, PassInputs, PlainValue, WeightsFile
from parity.foreign.export import check_inputs, write_inputs
from parity.ltx23.foreign_inputs import case_inputs, meaning
from parity.ltx23.stages import CASES
from parity.ltx23.world import World
from parity.store import Dump

MODEL = "examples.second_model.binding:BINDING"
ROOT = Path(__file__).parents[2]

# A port that was never near this project: numpy and two readers. The small language model up to its first layer's
# fused query, key and value.
PORT = """
import json, sys
import numpy as np
from safetensors.numpy import load_file, save_file

folder, target = sys.argv[1:]
manifest = json.load(open(folder + "/manifest.json"))
assert manifest["schema"] == "ltx-parity/inputs/1"
inputs = load_file(folder + "/" + manifest["inputs"])
(weights_record,) = manifest["weights"]
w = {k: v.astype(np.float64) for k, v in load_file(folder + "/" + weights_record["files"][0]["path"]).items()}
out = {}
for one in manifest["passes"]:
    names = {a["argument"]: a["name"] for a in one["arguments"]}
    ids = inputs[names["tokens"]]
    x = w["tokens.weight"][ids] + w["places.weight"][: ids.shape[1]]
    out[one["name"] + "/x"] = x
    n = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    n = n * w["layers.0.norm_attention.weight"] + w["layers.0.norm_attention.bias"]
    three = [n @ w[f"layers.0.attention.{p}.weight"].T + w[f"layers.0.attention.{p}.bias"] for p in ("query", "key", "value")]
    out[one["name"] + "/qkv"] = np.ascontiguousarray(np.concatenate(three, -1).transpose(2, 0, 1))
save_file({k: np.ascontiguousarray(v.astype(np.float32)) for k, v in out.items()}, target, metadata={"parity_identity": manifest["identity"]})
"""  # noqa: E501
MAPPING = """
schema = 1
covers = ["*.layer00.in", "*.layer00.attention.[qkv]"]
[each]
pass = ["pass_short", "pass_pair"]
part = [{ tap = "q", take = 0 }]
[[tap]]
tap = "language_model.{pass}.layer00.in"
from = "{pass}/x"
"""
FUSED = """
[[tap]]
tap = "language_model.{{pass}}.layer00.attention.{part}"
from = "{{pass}}/qkv"
steps = [{{ permute = [1, 2, 0] }}, {{ split = [32, 32, 32], take = {take} }}]
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "inputs"
    assert main(["inputs", "--model", MODEL, "--case", "text", "--output", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """A folder to spoil."""
    import shutil

    return Path(shutil.copytree(exported, tmp_path / "inputs"))


def test_a_script_that_reads_only_the_folder_reproduces_the_case(exported: Path, tmp_path: Path) -> None:
    foreign, reference, budgets = tmp_path / "port.safetensors", tmp_path / "reference.h5", tmp_path / "map.toml"
    done = subprocess.run(
        [sys.executable, "-c", PORT, str(exported), str(foreign)], cwd=tmp_path, env={}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    capture = ["--case", "text", "--side", "reference", "--dtype", "float32", "--quiet", "--model", MODEL]
    assert main(["capture", str(reference), *capture]) == 0
    entries = [FUSED.format(part=part, take=take) for take, part in enumerate("qkv")]
    budgets.write_text(MAPPING.replace('part = [{ tap = "q", take = 0 }]\n', "") + "".join(entries), encoding="utf-8")
    files = [str(reference), str(foreign), "--mapping", str(budgets), "--suite", "live", "--model", MODEL]
    assert main(["compare", *files, "--quiet"]) == 0
    # The judgement can fail: one number in a thousand is moved.
    tensors = load_file(foreign)
    tensors["pass_pair/qkv"].flat[1000] *= 1.001
    save_file(tensors, foreign, metadata={"parity_identity": check_inputs(exported).identity})
    assert main(["compare", *files, "--quiet"]) == 1


def test_every_hash_of_the_manifest_is_of_the_plain_bytes(exported: Path) -> None:
    """As another language would check them: no torch, no reader of ours."""
    told = json.loads((exported / "manifest.json").read_text(encoding="utf-8"))
    raw = (exported / told["inputs"]).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    assert header["__metadata__"]["parity_identity"] == told["identity"]
    arguments = [argument for one in told["passes"] for argument in one["arguments"]]
    assert {a["name"] for a in arguments} == header.keys() - {"__metadata__"}
    for argument in arguments:
        begin, end = header[argument["name"]]["data_offsets"]
        assert hashlib.sha256(raw[8 + length + begin : 8 + length + end]).hexdigest() == argument["sha256"]
        assert header[argument["name"]]["shape"] == argument["shape"]
        assert argument["meaning"]
    (file,) = told["weights"][0]["files"]
    weights = (exported / file["path"]).read_bytes()
    assert (len(weights), hashlib.sha256(weights).hexdigest()) == (file["bytes"], file["sha256"])
    arrays = load_file(exported / file["path"])
    for record in file["tensors"]:
        assert hashlib.sha256(arrays[record["name"]].tobytes()).hexdigest() == record["sha256"]


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "manifest.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        change(told)
        path.write_text(json.dumps(told), encoding="utf-8")

    return edit


def _rename(folder: Path) -> None:
    tensors = load_file(folder / "inputs.safetensors")
    first = sorted(tensors)[0]
    save_file({("other" if n == first else n): t for n, t in tensors.items()}, folder / "inputs.safetensors",
              metadata={"parity_identity": check_inputs(folder).identity})  # fmt: skip


def _unsign(folder: Path) -> None:
    save_file(load_file(folder / "inputs.safetensors"), folder / "inputs.safetensors")


SPOILT: dict[str, Callable[[Path], object]] = {
    "an input changed": lambda folder: _flip(folder / "inputs.safetensors"),
    "a weight changed": lambda folder: _flip(folder / "weights" / "weights.safetensors"),
    "an input renamed": _rename,
    "inputs without the identity": _unsign,
    "a file added": lambda folder: (folder / "more.bin").write_bytes(b"x"),
    "a file removed": lambda folder: (folder / "inputs.safetensors").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a cut manifest": lambda folder: (folder / "manifest.json").write_text("{", encoding="utf-8"),
    "another identity": _edit(lambda told: told.update(identity="0" * 64)),
    "another schema": _edit(lambda told: told.update(schema="ltx-parity/inputs/2")),
    "an unknown key": _edit(lambda told: told.update(more=1)),
    "a missing key": _edit(lambda told: told.pop("release")),
    "a number in words": _edit(lambda told: told.update(seed="7")),
    "a path that leads out": _edit(lambda told: told.update(inputs="../inputs.safetensors")),
    "a path from the root": _edit(lambda told: told.update(inputs="/inputs.safetensors")),
    "another shape": _edit(lambda told: told["passes"][0]["arguments"][0].update(shape=[9])),
    "another hash": _edit(lambda told: told["passes"][0]["arguments"][0].update(sha256="0" * 64)),
    "another dtype": _edit(lambda told: told["passes"][0]["arguments"][0].update(dtype="int32")),
    "a pass twice": _edit(lambda told: told["passes"].append(told["passes"][0])),
    "a pass less": _edit(lambda told: told["passes"].pop()),
    "another hash of a weight": _edit(
        lambda told: told["weights"][0]["files"][0]["tensors"][0].update(sha256="0" * 64)
    ),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_folder_that_was_tampered_with_is_refused_in_one_line(
    copy: Path, spoil: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inputs", "--check", str(copy), "--quiet"]) == 0
    spoil(copy)
    capsys.readouterr()
    assert main(["inputs", "--check", str(copy), "--quiet"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert str(copy) in told.err


def test_some_passes_are_exported_with_the_identity_of_all(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    arguments = ["--model", MODEL, "--case", "text", "--pass", "pass_pair", "--output", str(folder), "--quiet"]
    assert main(["inputs", *arguments]) == 0
    found = check_inputs(folder)
    assert [one.name for one in found.passes] == ["pass_pair"]
    assert found.identity == check_inputs(exported).identity


REFUSED = {
    "nothing to do": [],
    "a case without a folder": ["--case", "text"],
    "two things": ["--case", "text", "--output", "{new}", "--check", "{new}"],
    "an unknown case": ["--case", "none", "--output", "{new}"],
    "an unknown pass": ["--case", "text", "--output", "{new}", "--pass", "none"],
    "an unknown dtype": ["--case", "text", "--output", "{new}", "--dtype", "float8"],
    "another release": ["--case", "text", "--output", "{new}", "--release", "2"],
    "given without taps": ["--case", "text", "--output", "{new}", "--given", "{new}"],
    "taps without given": ["--case", "text", "--output", "{new}", "--taps", "*"],
    "a folder that holds something": ["--case", "text", "--output", "{full}"],
    "a folder in none": ["--case", "text", "--output", "{new}/deeper"],
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_cannot_be_met_is_refused_and_leaves_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_bytes(b"x")
    given = [one.format(new=tmp_path / "new", full=tmp_path / "full") for one in arguments]
    assert main(["inputs", "--model", MODEL, *given, "--quiet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == ["full"]


def test_what_a_part_receives_is_given_from_a_dump_of_the_same_inputs(tmp_path: Path) -> None:
    dump, other = tmp_path / "reference.h5", tmp_path / "bfloat16.h5"
    for path, dtype in ((dump, "float32"), (other, "bfloat16")):
        options = ["--case", "text", "--side", "reference", "--dtype", dtype, "--model", MODEL, "--quiet"]
        assert main(["capture", str(path), *options]) == 0
    common = ["inputs", "--case", "text", "--model", MODEL, "--quiet", "--taps", "*.layer01.in"]
    assert main([*common, "--given", str(dump), "--output", str(tmp_path / "given")]) == 0
    told = check_inputs(tmp_path / "given").given
    assert told is not None
    with Dump.open(dump) as opened:
        for name, array in load_file(tmp_path / "given" / told.file).items():
            assert np.array_equal(array, opened.read(name).numpy())
    assert [record.name for record in told.tensors] == [
        "language_model.pass_short.layer01.in",
        "language_model.pass_pair.layer01.in",
    ]
    assert main([*common, "--given", str(other), "--output", str(tmp_path / "other")]) == 3
    assert main([*common[:-1], "none*", "--given", str(dump), "--output", str(tmp_path / "none")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["given"]


def _case(tmp_path: Path, **changes: Any) -> CaseInputs:
    weights = tmp_path / "w"
    weights.mkdir(exist_ok=True)
    (weights / "vocabulary.json").write_text("{}", encoding="utf-8")
    fields: dict[str, Any] = {
        "binding": "b", "stage": "s", "guards": "g", "origin": manifest(), "options": {},
        "passes": (PassInputs("p", {"x": Argument(numbers(2, 3).T, "m")}, {"n": PlainValue(1, "m")}, ("s.p.t",)),),
        "weights": {"folder": WeightsFile(weights, "m")},
    }  # fmt: skip
    return CaseInputs(**(fields | changes))


def test_a_folder_of_weights_is_copied_file_by_file(tmp_path: Path) -> None:
    found = write_inputs(tmp_path / "out", _case(tmp_path))
    (file,) = found.weights[0].files
    assert file.path == "weights/folder/vocabulary.json"
    assert file.tensors is None
    assert np.array_equal(load_file(tmp_path / "out" / "inputs.safetensors")["p.x"], numbers(2, 3).T.numpy())
    assert check_inputs(tmp_path / "out") == found


def test_an_export_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    odd = PassInputs("p", {"x": Argument(numbers(2), "m")}, {"n": PlainValue(float("nan"), "m")}, ())
    with pytest.raises(BadInputError):
        write_inputs(tmp_path / "out", _case(tmp_path, passes=(odd,)))
    with pytest.raises(BadInputError, match="no pass to export"):
        write_inputs(tmp_path / "out", _case(tmp_path, passes=()))
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_every_input_of_every_case_has_a_meaning() -> None:
    """Real sizes have the same inputs as the small cases of their stage."""
    with World() as world:
        for case in (case for case in CASES.values() if not case.real_size):
            found = case_inputs(world, case, case.dtypes[0], (), "test")
            assert found.passes, case.id
            for one in found.passes:
                assert all(a.meaning for a in one.arguments.values())
                assert one.taps


def test_an_input_without_a_meaning_is_refused() -> None:
    with pytest.raises(BadInputError, match="exactly one"):
        meaning("transformer", "arguments", "unheard_of")


def test_a_case_of_the_transformer_is_exported_as_it_is_run(tmp_path: Path) -> None:
    assert main(["inputs", "--case", "small", "--output", str(tmp_path / "small"), "--quiet"]) == 0
    found, tensors = check_inputs(tmp_path / "small"), load_file(tmp_path / "small" / "inputs.safetensors")
    with World() as world:
        forwards = world.forwards(CASES["small"], torch.float32)
    assert [one.name for one in found.passes] == [forward.name for forward in forwards]
    expected = {name: tensor for forward in forwards for name, tensor in forward.inputs.tensors().items()}
    assert tensors.keys() == expected.keys()
    assert all(np.array_equal(tensors[name], tensor.numpy()) for name, tensor in expected.items())
