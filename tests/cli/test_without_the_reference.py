"""Everything but live parity works where the official packages are not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# As on a machine without the packages: their metadata is not found, and importing them fails.
ABSENT = """
import sys
from importlib import metadata

found = metadata.version

def version(name):
    if name in ("ltx-core", "ltx-pipelines"):
        raise metadata.PackageNotFoundError(name)
    return found(name)

metadata.version = version
sys.modules["ltx_core"] = sys.modules["ltx_pipelines"] = None

from parity.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ABSENT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def test_the_default_run_falls_back_to_the_recordings() -> None:
    done = run("run", "--json", "--stage", "latents,audio_vae,lora")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["provenance"]["reference"] == "official LTX-2 1.0.0 recorded, 1.2.0 recorded"
    assert document["outcome"]["identical"] + document["outcome"]["within"] > 1_000


@pytest.mark.parametrize("arguments", [["run", "--reference", "live"], ["run", "--suite", "exact"]], ids=" ".join)
def test_a_live_run_is_refused_in_one_line_that_says_what_to_do(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "ltx-core is not installed" in done.stderr
    assert "--reference recorded" in done.stderr


def test_capturing_the_port_needs_no_reference(tmp_path: Path) -> None:
    capture = ["capture", str(tmp_path / "port.h5"), "--case", "small", "--taps", "*.x0"]
    assert run(*capture, "--side", "port").returncode == 0
    refused = run(*capture, "--side", "official")
    assert refused.returncode == 2
    assert "ltx-core is not installed" in refused.stderr
