"""The checkpoint file: whole and known, or refused in one line."""

import hashlib
import json
import os
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.errors import InputError
from parity.ltx23.configs import config_text

METADATA = {"config": config_text("tiny"), "model_version": "2.3.0"}
TENSORS = {
    "model.diffusion_model.proj_out.weight": torch.randn(16, 64, generator=torch.Generator().manual_seed(1)).bfloat16(),
    "model.diffusion_model.proj_out.bias": torch.linspace(-1, 1, 16),
    "vae.per_channel_statistics.std-of-means": torch.arange(1.0, 17.0, dtype=torch.float64),
    "quantised": torch.arange(16, dtype=torch.int8),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "model.safetensors", METADATA)
    return tmp_path / "model.safetensors"


def _refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        CheckpointFile.open(path)
    assert "\n" not in str(caught.value)
    assert str(path) in caught.value.where
    assert caught.value.next_step
    return caught.value


def test_a_whole_file_opens_with_its_metadata_keys_shapes_and_dtypes(path):
    checkpoint = CheckpointFile.open(str(path))
    assert checkpoint.path == path
    assert checkpoint.model_version == "2.3.0"
    assert checkpoint.config.transformer.num_layers == 4
    assert set(checkpoint.keys()) == set(TENSORS)
    for key, tensor in TENSORS.items():
        assert checkpoint.shape(key) == tuple(tensor.shape)
    assert checkpoint.dtype("model.diffusion_model.proj_out.weight") is torch.bfloat16
    assert checkpoint.dtype("vae.per_channel_statistics.std-of-means") is torch.float64


def test_a_tensor_is_read_bit_for_bit(path):
    checkpoint = CheckpointFile.open(path)
    for key, tensor in TENSORS.items():
        if tensor.is_floating_point():
            read = checkpoint.read(key, "cpu")
            assert read.dtype is tensor.dtype
            assert torch.equal(read.view(torch.uint8), tensor.view(torch.uint8))


def test_a_tensor_is_rounded_to_nearest_even_where_another_dtype_is_asked_for(path):
    key = "model.diffusion_model.proj_out.bias"
    read = CheckpointFile.open(path).read(key, torch.device("cpu"), torch.bfloat16)
    assert read.dtype is torch.bfloat16
    bits = TENSORS[key].view(torch.int32).to(torch.int64) & 0xFFFFFFFF
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    assert torch.equal(read.view(torch.int16).to(torch.int64) & 0xFFFF, rounded)


def test_a_key_that_is_not_there_is_refused(path):
    checkpoint = CheckpointFile.open(path)
    for ask in (checkpoint.shape, checkpoint.dtype, lambda key: checkpoint.read(key, "cpu")):
        with pytest.raises(InputError, match="no tensor 'proj_out'"):
            ask("proj_out")


def test_a_quantised_tensor_is_refused_by_key_and_dtype(path):
    checkpoint = CheckpointFile.open(path)
    for ask in (checkpoint.dtype, lambda key: checkpoint.read(key, "cpu")):
        with pytest.raises(InputError, match="quantised: dtype I8; expected one of F64, F32, F16, BF16"):
            ask("quantised")


def test_the_hash_is_that_of_the_whole_file(path):
    assert CheckpointFile.open(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_hash_is_taken_once(path):
    checkpoint = CheckpointFile.open(path)
    first = checkpoint.sha256()
    path.unlink()
    assert checkpoint.sha256() == first


def test_a_file_that_another_replaced_after_opening_has_no_hash(path, tmp_path):
    checkpoint = CheckpointFile.open(path)
    save_file(TENSORS, tmp_path / "other.safetensors", METADATA)
    os.replace(tmp_path / "other.safetensors", path)
    with pytest.raises(InputError, match="changed since it was opened"):
        checkpoint.sha256()


def test_a_file_that_is_gone_has_no_hash(path):
    checkpoint = CheckpointFile.open(path)
    path.unlink()
    with pytest.raises(InputError):
        checkpoint.sha256()


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert _refusal(tmp_path / "none.safetensors").got == "no such file"
    assert _refusal(tmp_path).got == "a folder"


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04" + b"\0" * 100, b"\0" * 8, struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 2) + b"[]"],
    ids=["empty", "a zip", "no header", "endless header", "a list"],
)
def test_another_kind_of_file_is_refused(tmp_path, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    _refusal(tmp_path / "x.safetensors")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(fraction=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_never_opened(path, tmp_path, fraction):
    whole = path.read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: int(len(whole) * fraction)])
    _refusal(cut)


def test_a_file_with_bytes_behind_its_tensors_is_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    _refusal(path)


@pytest.mark.parametrize("name", ["config", "model_version"])
def test_a_file_without_its_metadata_is_refused_by_the_name_of_the_entry(tmp_path, name):
    path = tmp_path / "x.safetensors"
    save_file(TENSORS, path, {key: value for key, value in METADATA.items() if key != name})
    assert _refusal(path).got == f"no {name!r} in its metadata"


def test_a_file_without_any_metadata_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "x.safetensors")
    assert "'config'" in _refusal(tmp_path / "x.safetensors").got


@pytest.mark.parametrize("version", ["2.0.0", "2.30", "2.4", "", "3.2.3"])
def test_another_model_version_is_refused_by_name(tmp_path, version):
    save_file(TENSORS, tmp_path / "x.safetensors", METADATA | {"model_version": version})
    assert _refusal(tmp_path / "x.safetensors").got == repr(version)


@pytest.mark.parametrize("version", ["2.3", "2.3.0", "2.3.1"])
def test_every_version_of_2_3_is_taken(tmp_path, version):
    save_file(TENSORS, tmp_path / "x.safetensors", METADATA | {"model_version": version})
    assert CheckpointFile.open(tmp_path / "x.safetensors").model_version == version


def test_a_malformed_config_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "x.safetensors", METADATA | {"config": "{"})
    assert "malformed" in _refusal(tmp_path / "x.safetensors").got


def test_a_file_larger_than_memory_is_opened_and_read(tmp_path):
    """A sparse file of the real size and beyond: mapping it must reserve nothing."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    columns = 1 << 20
    rows = 4 * memory // (2 * columns)
    header = {
        "large": {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [0, rows * columns * 2]},
        "__metadata__": {"config": config_text("tiny"), "model_version": "2.3.0"},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + rows * columns * 2)
        stream.seek(-2, os.SEEK_END)
        stream.write(b"\x80\x3f")
    tensor = CheckpointFile.open(path).read("large", "cpu")
    assert tensor.shape == (rows, columns)
    assert float(tensor[0, 0]) == 0.0
    assert float(tensor[-1, -1]) == 1.0


def test_tensors_that_are_not_aligned_are_read_too(tmp_path):
    odd, even = torch.tensor([1.5], dtype=torch.bfloat16), torch.arange(3, dtype=torch.float32)
    data = odd.view(torch.uint8).numpy().tobytes() + even.numpy().tobytes()
    header = {
        "odd": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]},
        "even": {"dtype": "F32", "shape": [3], "data_offsets": [2, 14]},
        "empty": {"dtype": "F32", "shape": [0, 3], "data_offsets": [14, 14]},
        "__metadata__": {"config": config_text("tiny"), "model_version": "2.3.0"},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    file = CheckpointFile.open(path)
    assert torch.equal(file.read("odd", "cpu"), odd)
    assert torch.equal(file.read("even", "cpu"), even)
    assert file.read("empty", "cpu").shape == (0, 3)


def test_writing_to_a_tensor_leaves_the_file(tmp_path):
    path = tmp_path / "one.safetensors"
    save_file({"a": torch.ones(4)}, path, {"config": config_text("tiny"), "model_version": "2.3.0"})
    before = path.read_bytes()
    CheckpointFile.open(path).read("a", "cpu").fill_(7.0)
    assert path.read_bytes() == before
    assert float(CheckpointFile.open(path).read("a", "cpu").sum()) == 4.0
