"""The written file: official format, alive, the same bytes again, whole or not there."""

import hashlib
import json
import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ltx_port.checkpoint.file import CheckpointFile
from parity.errors import BadInputError
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic import write
from parity.ltx23.synthetic.components import recipe_for
from parity.ltx23.synthetic.heavy import Profile, row_gains
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.tensor import SyntheticTensor
from parity.ltx23.synthetic.write import write_checkpoint

SPEC = CheckpointSpec("tiny", seed=7, dtype=torch.float32)
SMALL = CheckpointSpec("tiny", seed=7, num_layers=1)
MATRIX = "model.diffusion_model.transformer_blocks.0.ff.net.0.proj.weight"


@pytest.fixture(scope="module")
def alive(tmp_path_factory) -> dict[str, torch.Tensor]:
    path = tmp_path_factory.mktemp("alive") / "x.safetensors"
    write_checkpoint(path, SPEC)
    return load_file(path)


def test_the_file_opens_as_a_checkpoint_with_the_keys_of_its_configuration(tmp_path):
    written = write_checkpoint(tmp_path / "x.safetensors", SMALL)
    checkpoint = CheckpointFile.open(written.path)
    assert {key: checkpoint.shape(key) for key in checkpoint.keys()} == SMALL.shapes()  # noqa: SIM118
    assert {checkpoint.dtype(key) for key in checkpoint.keys()} == {torch.bfloat16}  # noqa: SIM118
    assert checkpoint.config.transformer.num_layers == 1
    assert checkpoint.model_version == "2.3.0"
    assert written.sha256 == checkpoint.sha256() == hashlib.sha256(written.path.read_bytes()).hexdigest()
    assert written.nbytes == written.path.stat().st_size
    assert written.parameters == sum(checkpoint.read(key, "cpu").numel() for key in checkpoint.keys())  # noqa: SIM118


def test_the_metadata_says_how_to_make_the_file_again(tmp_path):
    spec = CheckpointSpec("tiny", seed=-5, profile=Profile.HEAVY, num_layers=1)
    write_checkpoint(tmp_path / "x.safetensors", spec)
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["config"]) == json.loads(spec.resolved_config().to_json())
    assert json.loads(metadata["synthetic"]) == {
        "components": ["transformer"],
        "generator_version": 1,
        "profile": "heavy",
        "recipe_version": 1,
        "seed": -5,
    }


def test_the_same_spec_gives_the_same_bytes_whatever_the_chunk(tmp_path, monkeypatch):
    first = write_checkpoint(tmp_path / "a.safetensors", SMALL)
    monkeypatch.setattr(write, "_CHUNK_ELEMENTS", 4097)
    second = write_checkpoint(tmp_path / "b.safetensors", SMALL)
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_configuration_by_its_text_is_the_configuration_by_its_name(tmp_path):
    by_text = CheckpointSpec(config_text("tiny"), seed=7, num_layers=1)
    assert write_checkpoint(tmp_path / "a", by_text).sha256 == write_checkpoint(tmp_path / "b", SMALL).sha256


def test_another_seed_changes_every_tensor(tmp_path, alive):
    write_checkpoint(tmp_path / "x", CheckpointSpec("tiny", seed=8, dtype=torch.float32))
    other = load_file(tmp_path / "x")
    assert all(not torch.equal(other[key], tensor) for key, tensor in alive.items())


def test_fewer_layers_leave_the_others_as_they_were(tmp_path, alive):
    write_checkpoint(tmp_path / "x", CheckpointSpec("tiny", seed=7, dtype=torch.float32, num_layers=2))
    shorter = load_file(tmp_path / "x")
    assert all(torch.equal(tensor, alive[key]) for key, tensor in shorter.items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_every_dtype_holds_the_float32_values_rounded(tmp_path, alive, dtype):
    write_checkpoint(tmp_path / "x", CheckpointSpec("tiny", seed=7, dtype=dtype, num_layers=1))
    for key, tensor in load_file(tmp_path / "x").items():
        assert tensor.dtype is dtype
        assert torch.equal(tensor, alive[key].to(dtype)), key


def test_no_tensor_is_constant_zero_or_equal_to_another(alive):
    seen = defaultdict(list)
    for key, tensor in alive.items():
        assert torch.isfinite(tensor).all()
        assert tensor.unique().numel() > 1, key
        seen[hashlib.sha256(tensor.numpy().tobytes()).hexdigest()].append(key)
    assert [keys for keys in seen.values() if len(keys) > 1] == []


def test_no_two_tensors_are_the_same_numbers_in_another_scale(alive):
    firsts = defaultdict(list)
    for key, tensor in alive.items():
        recipe = recipe_for(key, tuple(tensor.shape))
        ratio = ((tensor.flatten()[:4].double() - recipe.offset) / recipe.scale).mul(100).round()
        firsts[tuple(ratio.tolist())].append(key)
    assert [keys for keys in firsts.values() if len(keys) > 1] == []


def test_each_kind_of_tensor_has_the_statistics_of_its_recipe(alive):
    scaled = defaultdict(list)
    for key, tensor in alive.items():
        fan_in = tensor.shape[1] ** 0.5 if tensor.dim() == 2 and key.endswith(".weight") else 1
        scaled[recipe_for(key, tuple(tensor.shape)).kind].append(tensor.flatten().double() * fan_in)
    expected = {"matrix": (0, 1), "norm": (1, 0.1), "bias": (0, 0.1), "table": (0, 0.3)}
    assert scaled.keys() == expected.keys()
    for kind, (mean, deviation) in expected.items():
        values = torch.cat(scaled[kind])
        assert abs(values.mean().item() - mean) < 5 * deviation / len(values) ** 0.5, kind
        assert abs(values.std().item() / deviation - 1) < 5 / len(values) ** 0.5, kind


def test_gate_logits_of_a_normalised_input_spread_by_about_one(alive):
    inputs = torch.randn(512, 64, generator=torch.Generator().manual_seed(0))
    gates = [key for key in alive if key.endswith("to_gate_logits.weight") and alive[key].shape[1] == 64]
    logits = torch.stack([inputs @ alive[key].T + alive[key.replace("weight", "bias")] for key in gates])
    assert len(gates) == 12
    assert 0.8 < logits.std().item() < 1.2


def test_a_heavy_file_differs_in_a_few_rows_of_every_matrix_and_nowhere_else(tmp_path, alive):
    write_checkpoint(tmp_path / "x", CheckpointSpec("tiny", seed=7, dtype=torch.float32, profile=Profile.HEAVY))
    for key, tensor in load_file(tmp_path / "x").items():
        if recipe_for(key, tuple(tensor.shape)).is_matrix:
            gains = row_gains(7, key, tensor.shape[0], "cpu")
            assert (gains > 1).sum() == max(1, tensor.shape[0] // 256)
            assert torch.equal(tensor, alive[key] * gains[:, None])
        else:
            assert torch.equal(tensor, alive[key])


def test_a_slice_of_a_heavy_matrix_is_the_slice_of_the_whole():
    tensor = SyntheticTensor(MATRIX, (300, 7), 3, Profile.HEAVY, torch.device("cpu"))
    whole = tensor.read(0, tensor.numel)
    for start, stop in ((0, 1), (5, 30), (6, 7), (1000, 2100), (2099, 2100)):
        assert torch.equal(tensor.read(start, stop), whole[start:stop])


def test_progress_rises_to_the_size_of_the_file(tmp_path):
    calls: list[tuple[int, int]] = []
    written = write_checkpoint(tmp_path / "x", SMALL, progress=lambda done, total: calls.append((done, total)))
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert calls[-1] == (written.nbytes, written.nbytes)
    assert {total for _, total in calls} == {written.nbytes}


class _InterruptedError(Exception):
    pass


def _interrupt(done: int, total: int) -> None:
    if done > total // 2:
        raise _InterruptedError


def test_an_interrupted_write_leaves_the_earlier_file_and_nothing_else(tmp_path):
    earlier = write_checkpoint(tmp_path / "x", SMALL)
    with pytest.raises(_InterruptedError):
        write_checkpoint(tmp_path / "x", CheckpointSpec("tiny", seed=99), progress=_interrupt)
    assert hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest() == earlier.sha256
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_write_that_has_no_room_is_refused_before_it_starts(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(BadInputError, match="10,000 bytes free") as caught:
        write_checkpoint(tmp_path / "x", SMALL)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_leaves_no_file(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInputError, match="No space left on device"):
        write_checkpoint(tmp_path / "x", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_a_file_is_refused(tmp_path):
    for path, got in ((tmp_path / "none" / "x", "no such folder"), (tmp_path, "a folder")):
        with pytest.raises(BadInputError, match=got):
            write_checkpoint(path, SMALL)


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"config": "huge"}, "no such packaged configuration"),
        ({"config": "{}"}, "missing key transformer"),
        ({"num_layers": 0}, "0 blocks"),
        ({"dtype": torch.int8}, "dtype torch.int8"),
        ({"components": ("no_such",)}, "'no_such'"),
    ],
)
def test_a_bad_spec_is_refused_in_one_line(tmp_path: Path, change, got):
    with pytest.raises(BadInputError, match=got) as caught:
        write_checkpoint(tmp_path / "x", CheckpointSpec(**({"config": "tiny", "seed": 0} | change)))
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("profile", Profile)
def test_a_gpu_writes_the_same_bytes_as_the_cpu(tmp_path, profile):
    spec = CheckpointSpec("tiny", seed=3, profile=profile)
    on_gpu = write_checkpoint(tmp_path / "gpu", spec, device="cuda")
    assert on_gpu.sha256 == write_checkpoint(tmp_path / "cpu", spec).sha256
