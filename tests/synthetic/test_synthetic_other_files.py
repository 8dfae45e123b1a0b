"""Upsampler and LoRA files: their own formats, by the same writer, and by the tool."""

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.lora import LoraFile
from ltx_port.upsampler.config import UpsamplerFile
from parity.ltx23.synthetic.components import COMPONENTS
from parity.ltx23.synthetic.lora_file import LoraSpec
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.upsampler_file import UpsamplerSpec
from parity.ltx23.synthetic.write import write_checkpoint

ROOT = Path(__file__).parents[2]
LAYERS = ("proj_out", "transformer_blocks.0.attn2.to_k")
LORA = LoraSpec(CheckpointSpec("tiny", 0).resolved_config(), LAYERS, 5, 9)


@pytest.mark.parametrize("spec", [UpsamplerSpec("tiny", 7), LORA], ids=["upsampler", "lora"])
def test_the_same_spec_gives_the_same_bytes_and_every_tensor_is_alive(tmp_path: Path, spec: object) -> None:
    first, second = (write_checkpoint(tmp_path / name, spec) for name in ("a", "b"))
    assert first.sha256 == second.sha256
    tensors = load_file(first.path)
    assert {key: tuple(tensor.shape) for key, tensor in tensors.items()} == spec.shapes()
    for key, tensor in tensors.items():
        assert tensor.dtype is torch.bfloat16
        assert tensor.float().std() > 0.01, key


def test_the_files_open_as_what_they_are(tmp_path: Path) -> None:
    upsampler = write_checkpoint(tmp_path / "upsampler", UpsamplerSpec("tiny", 7)).path
    lora = write_checkpoint(tmp_path / "lora", LORA).path
    assert UpsamplerFile.open(upsampler).config == UpsamplerSpec("tiny", 7).resolved_config()
    assert sorted(LoraFile.open(lora).layers) == sorted(LAYERS)


@pytest.fixture(scope="module")
def tool() -> Callable[[Sequence[str]], int]:
    spec = importlib.util.spec_from_file_location("write_checkpoint_tool", ROOT / "tools" / "write_checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_the_tool_writes_an_upsampler(tmp_path: Path, tool: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool(["--component", "upsampler", "--output", str(tmp_path / "x"), "--json"]) == 0
    assert UpsamplerFile.open(tmp_path / "x").sha256() == json.loads(capsys.readouterr().out)["sha256"]


def test_the_tool_writes_a_checkpoint_of_all_components(tmp_path: Path, tool: Callable) -> None:
    assert tool(["--component", "all", "--layers", "1", "--output", str(tmp_path / "x")]) == 0
    spec = CheckpointSpec("tiny", 0, components=tuple(COMPONENTS), num_layers=1)
    assert set(CheckpointFile.open(tmp_path / "x").keys()) == spec.shapes().keys()


@pytest.mark.parametrize("more", [("transformer",), ("all",)])
def test_the_tool_refuses_an_upsampler_inside_a_checkpoint(
    tmp_path: Path, tool: Callable, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    assert tool(["--component", "upsampler", *more, "--output", str(tmp_path / "x")]) == 2
    assert "--component upsampler: with other components" in capsys.readouterr().err
