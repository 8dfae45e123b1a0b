"""Dumps that are larger than the memory that may be used for them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "compare_large.py"


def compared(folder: Path, gigabytes: float) -> dict[str, object]:
    words = [sys.executable, str(TOOL), str(folder), "--gigabytes", str(gigabytes)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not list(folder.iterdir())
    found = json.loads(done.stdout)
    assert found["over"] == ["transformer.largest"]
    assert (found["exit_code"], found["taps"]) == (1, 9)
    return found


def test_memory_does_not_grow_with_the_dumps(tmp_path: Path) -> None:
    small, larger = compared(tmp_path, 0.01), compared(tmp_path, 0.4)
    assert larger["gigabytes_each"] > 35 * small["gigabytes_each"]
    # A few pieces of 16 MiB for each side, and not the 400 MB that each side has.
    assert larger["peak_mib"] - small["peak_mib"] < 250


@pytest.mark.slow
def test_dumps_of_20_gigabytes_are_compared_in_less_than_one(tmp_path: Path) -> None:
    assert compared(tmp_path, 20)["peak_mib"] < 953
