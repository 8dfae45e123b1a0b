"""What a foreign port may write: safetensors, .npy folders, our own dumps; anything that is not whole is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_cases import IDENTITY, manifest, numbers, write_dump, write_port
from torch import Tensor

from parity.errors import BadInputError, IncompleteError
from parity.foreign.files import ForeignFile

TENSORS = {
    "z": numbers(2, 3),
    "layers/0/w": numbers(4, dtype=torch.float16),
    "a": numbers(3, 2, dtype=torch.int64),
    "scalar": torch.tensor(7.0),
    "flags": torch.tensor([True, False]),
}


def read(path: Path) -> tuple[dict[str, Tensor], str | None]:
    with ForeignFile.open(path) as file:
        found = {name: file.read(name) for name in file.names}
        for name, tensor in found.items():
            assert file.spec(name) == (tensor.dtype, tuple(tensor.shape))
        return found, file.identity


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and torch.equal(left[name], right[name]) for name in left
    )


def write_npy(folder: Path, tensors: dict[str, Tensor]) -> Path:
    for name, tensor in tensors.items():
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, tensor.numpy())
    return folder


def test_safetensors_of_any_library_are_read(tmp_path: Path) -> None:
    tensors = {**TENSORS, "half": numbers(5, dtype=torch.bfloat16), "none": torch.zeros(0, 4)}
    found, identity = read(write_port(tmp_path / "port.safetensors", tensors))
    assert same(found, tensors)
    assert identity == IDENTITY


def test_a_folder_of_npy_files_is_read(tmp_path: Path) -> None:
    folder = write_npy(tmp_path / "port", TENSORS)
    (folder / ".DS_Store").write_bytes(b"x")
    found, identity = read(folder)
    assert same(found, TENSORS)
    assert identity is None
    (folder / "identity.txt").write_text(f"{IDENTITY}\n", encoding="ascii")
    assert read(folder)[1] == IDENTITY


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_npy_files_are_read_in_every_order(tmp_path: Path, order: Any, byte_order: str) -> None:
    array = np.asarray(np.arange(6).reshape(2, 3), dtype=f"{byte_order}f4", order=order)
    np.save(tmp_path / "x.npy", array)
    found, _ = read(tmp_path)
    assert same(found, {"x": numbers(2, 3)})


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_a_dump_of_ours_is_read_and_knows_what_it_was_recorded_from(tmp_path: Path, suffix: str) -> None:
    tensors = {"s.a": numbers(2, 3, dtype=torch.bfloat16), "s.b": numbers(4)}
    path = tmp_path / f"port{suffix}"
    write_dump(path, tensors)
    found, identity = read(path)
    assert same(found, tensors)
    assert identity == IDENTITY


def test_the_identity_stands_for_all_that_a_run_is_computed_from() -> None:
    from parity.foreign.files import identity_of

    for changes in (
        {"case": "other"},
        {"dtype": "bfloat16"},
        {"release": "2"},
        {"checkpoint_sha256": "c" * 64},
        {"input_sha256": {"x": "c" * 64}},
        {"input_sha256": {"y": "b" * 64}},
    ):
        assert identity_of(manifest(**changes)) != IDENTITY
    for changes in ({"producer": "port"}, {"created": "2027-01-02T03:04:05+00:00"}, {"command": "x"}):
        assert identity_of(manifest(**changes)) == IDENTITY


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def one(name: str = "x", **changes: Any) -> dict[str, Any]:
    return {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


EIGHT = bytes(8)
HOSTILE = {
    "empty": b"",
    "cut in the length": b"\x00\x00",
    "a header beyond the end": safetensors({}, length=1000),
    "a header without end": safetensors({}, length=2**63),
    "no JSON": safetensors(b"{x}"),
    "no object": safetensors([1]),
    "cut in the data": safetensors(one(), bytes(7)),
    "data left over": safetensors(one(), bytes(9)),
    "a gap": safetensors(one(data_offsets=[4, 12]), bytes(12)),
    "an overlap": safetensors({**one("x"), **one("y")}, EIGHT),
    "fewer bytes than elements": safetensors(one(shape=[3]), EIGHT),
    "an unknown dtype": safetensors(one(dtype="F4", data_offsets=[0, 1]), bytes(1)),
    "a size below nought": safetensors(one(shape=[-2]), EIGHT),
    "a size of one and a half": safetensors(one(shape=[1.5]), EIGHT),
    "a true size": safetensors(one(shape=[True, 2]), EIGHT),
    "offsets backwards": safetensors(one(data_offsets=[8, 0]), EIGHT),
    "a key too many": safetensors(one(stride=[1]), EIGHT),
    "a name twice": safetensors(b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"x":{}}', EIGHT),
    "metadata that is no text": safetensors({**one(), "__metadata__": {"a": 1}}, EIGHT),
    "a name that is no text": safetensors(one("\ud800"), EIGHT),
    "no name": safetensors(one(""), EIGHT),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_safetensors_file_that_is_not_whole_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "port.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInputError) as refusal:
        ForeignFile.open(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_the_hostile_files_differ_from_a_good_one_in_what_is_bad(tmp_path: Path) -> None:
    (tmp_path / "port.safetensors").write_bytes(safetensors(one(), EIGHT))
    assert same(read(tmp_path / "port.safetensors")[0], {"x": torch.zeros(2)})


def _objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object))


def _structured(path: Path) -> None:
    np.save(path, np.zeros(2, dtype=[("a", "f4")]))


def _unnamed_halves(path: Path) -> None:
    np.save(path, np.zeros(2, dtype="V2"))


def _cut(path: Path) -> None:
    np.save(path, np.zeros(8))
    path.write_bytes(path.read_bytes()[:-4])


def _longer(path: Path) -> None:
    np.save(path, np.zeros(8))
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(
    "spoil",
    [
        _objects,
        _structured,
        _unnamed_halves,
        _cut,
        _longer,
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"npy?"),
    ],
)
def test_an_npy_file_that_is_not_whole_is_refused_in_one_line(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / "x.npy")
    with pytest.raises(BadInputError) as refusal:
        read(tmp_path)
    assert str(refusal.value).startswith(str(tmp_path / "x.npy"))
    assert "\n" not in str(refusal.value)


def test_any_other_file_in_the_folder_is_refused(tmp_path: Path) -> None:
    write_npy(tmp_path, TENSORS)
    (tmp_path / "notes.md").write_text("x", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"notes\.md: no \.npy file"):
        ForeignFile.open(tmp_path)


@pytest.mark.parametrize("name", ["port.pt", "port.bin", "missing.safetensors", "missing.h5"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, name: str) -> None:
    if name.startswith("port"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BadInputError):
        ForeignFile.open(tmp_path / name)


def test_a_dump_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = write_dump(tmp_path / "port.safetensors", {"s.a": numbers(100)})
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises((BadInputError, IncompleteError)):
        read(path)
