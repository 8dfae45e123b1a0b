"""The same run twice gives the same JSON: nothing in it depends on time, hash seeds, or how the work is shared out."""

import json
import os
import subprocess
import sys
from pathlib import Path

RUN = ("run", "--reference", "recorded", "--case", "lora-small", "--quiet")


def result(output: Path, seed: str, *more: str) -> bytes:
    output.mkdir()
    words = [sys.executable, "-m", "parity", *RUN, "--output", str(output), *more]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return (output / "run.json").read_bytes()


def test_the_same_run_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = result(tmp_path / "first", "1")
    assert first == result(tmp_path / "second", "2", "--jobs", "2")
    assert (tmp_path / "first" / "run.md").read_bytes() == (tmp_path / "second" / "run.md").read_bytes()
    assert len(json.loads(first)["cases"]) >= 2
