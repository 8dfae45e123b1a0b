"""Loading holds no second copy: weights are the mapped file, or one tensor more than themselves."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.finite import all_finite
from ltx_port.checkpoint.load import load_transformer
from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.footprint.live import LiveBytes
from ltx_port.text.gemma import load_gemma
from parity.ltx23.synthetic.gemma import write_gemma
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

CPU = torch.device("cpu")
MIB = 1 << 20
Load = Callable[[torch.dtype], nn.Module]


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Load]:
    folder = tmp_path_factory.mktemp("files")
    write_checkpoint(folder / "one.safetensors", CheckpointSpec("tiny", 1, num_layers=1))
    write_gemma(folder / "gemma", 1)
    checkpoint = CheckpointFile.open(folder / "one.safetensors")
    return {
        "transformer": lambda dtype: load_transformer(checkpoint, CPU, dtype),
        "gemma": lambda dtype: load_gemma(folder / "gemma", CPU, dtype),
    }


def nbytes(model: nn.Module) -> list[int]:
    return [tensor.nbytes for tensor in model.state_dict().values()]


@pytest.mark.parametrize("name", ["transformer", "gemma"])
def test_in_the_files_own_dtype_no_weight_is_copied_to_be_loaded_or_checked(loads: dict[str, Load], name: str) -> None:
    loads[name](torch.bfloat16)  # what is remembered from the first load is no weight
    with LiveBytes(CPU) as live:
        model = loads[name](torch.bfloat16)
    assert live.peak < max(nbytes(model)) / 4


@pytest.mark.parametrize("name", ["transformer", "gemma"])
def test_in_another_dtype_no_more_than_the_weights_and_one_tensor_is_held(loads: dict[str, Load], name: str) -> None:
    with LiveBytes(CPU) as live:
        model = loads[name](torch.float32)
    sizes = nbytes(model)
    assert sum(sizes) <= live.peak <= sum(sizes) + max(sizes)


def test_two_models_of_one_opened_file_share_their_memory(loads: dict[str, Load]) -> None:
    first, second = (loads["transformer"](torch.bfloat16).state_dict() for _ in range(2))
    assert all(tensor.data_ptr() == second[name].data_ptr() for name, tensor in first.items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [0, 1000, 4098])
def test_one_number_that_is_none_is_found_wherever_it_is(dtype: torch.dtype, value: float, place: int) -> None:
    weight = torch.linspace(-1, 1, 4099).to(dtype)
    assert all_finite(weight)
    weight[place] = value
    assert not all_finite(weight)
    assert not all_finite(torch.full((1, 1), value, dtype=dtype))


def test_the_largest_numbers_and_none_at_all_are_finite() -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        assert all_finite(torch.tensor([torch.finfo(dtype).max, torch.finfo(dtype).min], dtype=dtype))
    assert all_finite(torch.empty(0, 3))


def written(tmp_path: Path) -> TensorFile:
    tensors = {name: torch.full((8 * MIB,), float(value)).bfloat16() for value, name in enumerate("abc", 1)}
    save_file(tensors, tmp_path / "x.safetensors")
    return TensorFile.open(tmp_path / "x.safetensors")


def resident_of_files() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_of_the_file_are_given_back_once_a_tensor_is_copied(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.read("a", "cpu", torch.float32)
    before = resident_of_files()
    copies = [file.read(name, "cpu", torch.float32) for name in "abc"]
    assert resident_of_files() - before < 2 * MIB
    assert [float(copy.sum()) for copy in copies] == [8.0 * MIB, 16.0 * MIB, 24.0 * MIB]


def test_what_was_written_to_a_mapped_tensor_stays_when_it_is_copied_afterwards(tmp_path: Path) -> None:
    file = written(tmp_path)
    mapped, neighbour = file.read("b", "cpu"), file.read("c", "cpu")
    mapped.fill_(7.0)
    neighbour[:8] = 9.0
    for name in "abc":
        file.read(name, "cpu", torch.float32)
    assert torch.all(mapped == 7.0)
    assert torch.all(neighbour[:8] == 9.0)
    assert float(file.read("a", "cpu", torch.float32)[-1]) == 1.0
