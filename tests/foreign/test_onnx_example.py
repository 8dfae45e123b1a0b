"""A transformer block and the vocoder in onnxruntime, judged as any port is; planted faults blamed at their taps."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
installed = all(find_spec(name) is not None for name in ("onnx", "onnxruntime", "onnxscript"))
FIRST_FAULTS = (
    (
        "block",
        "the weight of the audio stream's head gates, halved",
        "transformer.pass_cond.block00.audio.self_attn.gate_logits",
    ),
    (
        "vocoder",
        "the first transposed convolution's kernel, flipped",
        "vocoder.clip_float32.base.stage00.upsample",
    ),
)
needs_examples = pytest.mark.skipif(not installed, reason="needs the extra `examples`")


@needs_examples
def test_each_part_is_within_its_budgets_and_a_fault_is_blamed_at_its_tap() -> None:
    """The command as its users run it; the other faults are left to `python -m examples.onnx.run`."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.onnx.run", "--faults", "first"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for part, fault, tap in FIRST_FAULTS:
        assert f"{part}, as it is: within budget" in done.stdout
        assert f"{part}, {fault}: over budget, blamed: {tap} (" in done.stdout


@needs_examples
def test_no_fault_has_the_name_of_another() -> None:
    from examples.onnx import run

    for part in run.PARTS:
        assert len(part.faults) >= 2
        assert len({tap for tap, _ in part.faults.values()}) == len(part.faults)


def test_the_runtime_knows_neither_torch_nor_this_project() -> None:
    tree = ast.parse((ROOT / "examples" / "onnx" / "runtime.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"json", "pathlib", "numpy", "numpy.typing", "onnxruntime", "safetensors.numpy"}
