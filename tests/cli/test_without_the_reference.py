"""Everything but live parity works where the official packages are not installed."""

import json
import subprocess
import sys
from pathlib import Path

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
import json
for words in json.loads(sys.argv[1]):
    code = main(words)
    print(f"exit {code}", file=sys.stderr)
"""


def run(*commands: list[str]) -> tuple[str, list[str]]:
    """Run commands in one process; gives what they printed, and for each its lines of stderr and its exit code."""
    process = [sys.executable, "-c", ABSENT, json.dumps(commands)]
    done = subprocess.run(process, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.splitlines()


def test_the_default_run_falls_back_to_the_recordings() -> None:
    shown, told = run(["run", "--json", "--quiet", "--stage", "latents,audio_vae,lora"])
    assert told == ["exit 0"]
    document = json.loads(shown)
    assert document["provenance"]["reference"] == "official LTX-2 1.0.0 recorded, 1.2.0 recorded"
    assert document["outcome"]["identical"] + document["outcome"]["within"] > 1_000


def test_a_live_run_is_refused_in_one_line_that_says_what_to_do() -> None:
    shown, (one, code, other, again) = run(["run", "--reference", "live"], ["run", "--suite", "exact"])
    assert shown == ""
    assert (code, again) == ("exit 2", "exit 2")
    for line in (one, other):
        assert "ltx-core is not installed" in line
        assert "--reference recorded" in line


def test_capturing_the_port_needs_no_reference(tmp_path: Path) -> None:
    capture = ["capture", str(tmp_path / "port.h5"), "--case", "small", "--taps", "*.x0", "--quiet"]
    _, (code, refusal, again) = run([*capture, "--side", "port"], [*capture, "--side", "official"])
    assert (code, again) == ("exit 0", "exit 2")
    assert "ltx-core is not installed" in refusal
