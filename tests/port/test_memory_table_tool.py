"""The command line of the memory table."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ltx_port.errors import InputError
from ltx_port.footprint.phases import Setting
from ltx_port.footprint.table import Footprint
from ltx_port.latents import Clip

ROOT = Path(__file__).parent.parent.parent
GIB = 1 << 30


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("memory_table", ROOT / "tools" / "memory_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Setting, bool]]:
    """Rows as told, at once; gives what was asked for."""
    found: list[tuple[Setting, bool]] = []

    def footprints(setting: Setting, plain_attention: bool) -> Iterator[Footprint]:
        found.append((setting, plain_attention))
        height = setting.clip.height * GIB // 64
        yield Footprint("stage 1", weights=30 * GIB, streamed=28 * GIB, slots=1 * GIB, activations=height)
        yield Footprint("video", weights=2 * GIB, streamed=0, slots=0, activations=4 * height)

    monkeypatch.setattr(tool, "footprints", footprints)
    return found


def test_each_size_is_asked_for_as_told(tool: ModuleType, asked: list[tuple[Setting, bool]]) -> None:
    arguments = ["--size", "64x128", "128x64", "--frames", "9", "--fps", "12", "--release", "1.0.0"]
    assert tool.main([*arguments, "--attention", "plain"]) == 0
    assert [setting.clip for setting, _ in asked] == [Clip(9, 64, 128, 12.0), Clip(9, 128, 64, 12.0)]
    assert {(setting.release.name, plain) for setting, plain in asked} == {("1.0.0", True)}
    setting, _ = asked[0]
    assert setting.checkpoint.transformer.num_layers == setting.gemma.num_hidden_layers == 48


@pytest.mark.usefixtures("asked")
def test_json_has_bytes_and_peaks(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--size", "64x128", "128x128", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["unit"], document["dtype"], document["frames"]) == ("bytes", "bfloat16", 121)
    small, large = document["sizes"]
    assert (small["height"], small["width"], small["video_tokens"], small["audio_tokens"]) == (64, 128, 128, 126)
    assert small["phases"][0] == {
        "phase": "stage 1",
        "weights": 30 * GIB,
        "streamed": 28 * GIB,
        "slots": GIB,
        "activations": GIB,
        "whole": 31 * GIB,
        "offloaded": 4 * GIB,
    }
    assert [(size["peak"], size["peak_offloaded"]) for size in (small, large)] == [
        (31 * GIB, 6 * GIB),
        (32 * GIB, 10 * GIB),
    ]


ROWS = [
    ["stage 1", "30.00", "3.00", "1.00", "2.00"],
    ["video", "2.00", "-", "4.00", "8.00"],
    ["peak", "31.00", "32.00"],
    ["peak, --offload blocks", "6.00", "10.00"],
]


@pytest.mark.usefixtures("asked")
def test_terminal_and_markdown_have_the_same_numbers(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--size", "64x128", "128x128"]) == 0
    told = [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert [line for line in told if line in ROWS] == ROWS
    assert tool.main(["--size", "64x128", "128x128", "--markdown"]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert {len(line) for line in lines} == {5}
    assert lines[0] == ["phase", "weights", "--offload blocks", "64x128", "128x128"]
    assert [[cell for cell in line if cell] for line in lines[2:]] == ROWS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "large"], "'large'; expected HEIGHTxWIDTH"),
        (["--size", "96x64"], "clip height: 96; expected a multiple of 64 for two stages"),
        (["--frames", "120"], "clip frames: 120"),
        (["--fps", "0"], "clip fps: 0.0"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_computed(
    tool: ModuleType,
    asked: list[tuple[Setting, bool]],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert tool.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err
    assert len(told.err.splitlines()) == 1
    assert asked == []


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, str(ROOT / "tools" / "memory_table.py"), "--size", "1x1"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(InputError("clip height", "1", "a multiple of 32", "use 32")) in done.stderr
