"""The command line of the checkpoint writer."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ltx_port.checkpoint.file import CheckpointFile

ROOT = Path(__file__).parent.parent.parent


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "write_checkpoint.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)


def test_the_tool_writes_what_was_asked_for_and_says_so(tmp_path):
    path = tmp_path / "x.safetensors"
    done = _run(
        "--layers", "2", "--seed", "4", "--dtype", "float32", "--profile", "heavy", "--output", str(path), "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    checkpoint = CheckpointFile.open(path)
    assert checkpoint.config.transformer.num_layers == 2
    assert result == {
        "path": str(path),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "parameters": sum(checkpoint.read(key, "cpu").numel() for key in checkpoint.keys()),  # noqa: SIM118
    }


@pytest.mark.parametrize("arguments", [("--layers", "0"), ("--output", "none/x.safetensors")])
def test_bad_input_ends_with_2_and_one_line(tmp_path, arguments):
    done = _run("--output", str(tmp_path / "x"), *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if "expected" in line]) == 1
    assert "Traceback" not in done.stderr
