"""The command line: what it prints, what it exits with, and how it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from parity.cli import main
from parity.cli.main import build_parser
from parity.ltx23.binding import BINDING
from parity.store import Dump, DumpWriter

CAPTURE = ["--case", "small", "--side", "port", "--dtype", "bfloat16", "--quiet"]
DUMPED = ["--taps", "transformer.pass_cond.block00.*,transformer.pass_cond.*.x0"]
FLAGS = {
    "run": "--attention --case --config --details --device --dtype --fault --help --history --html --jobs "
    "--json --list --live --model --output --quiet --real-size --reference --release --stage --suite "
    "--threads --weights",
    "gate": "--attention --certificates --details --device --dtype --help --history --html --jobs --json --model "
    "--output --quiet --release",
    "calibrate": "--case --dtype --help --jobs --json --lock --model --output --quiet --runs --stage --tighten",
    "capture": "--case --config --device --dtype --elements --help --json --max-bytes --max-tokens --model --quiet "
    "--release --side --sketch --statistics --taps --weights",
    "compare": "--across-releases --budgets --details --device --help --history --html --json --live --mapping --model "
    "--output --quiet --suite --weights",
    "inputs": "--case --check --dtype --given --help --json --model --output --pass --quiet --release --taps",
    "map": "--help --json --model --output --quiet --tolerance",
    "show": "--help --json --model --pattern --quiet --taps --verify",
    "report": "--against --details --help --history --html --json --markdown --model --quiet",
    "runs": "--help --json --model --quiet",
    "compare-runs": "--common --factor --help --json --markdown --model --quiet",
    "watch": "--help --json --model --path --quiet --times",
    "locate": "--case --device --dtype --fault --help --json --live --model --quiet --release --suite",
    "faults": "--fault --help --jobs --journal --json --model --quiet --stage",
    "forecast": "--blocks --budget --check --device --draws --help --json --list --local --model --numerics --quiet "
    "--release --runs --seeds --share --steps",
    "trajectory": "--blocks --candidate --device --help --json --model --quiet --reference --release --seed --steps",
}


def test_the_options_are_frozen() -> None:
    (verbs,) = [action for action in build_parser()._actions if action.dest == "verb"]
    found = {
        name: " ".join(sorted(o for a in sub._actions for o in a.option_strings if o.startswith("--")))
        for name, sub in verbs.choices.items()
    }
    assert found == FLAGS


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block of one pass of the case, and what comes out of that pass."""
    path = tmp_path_factory.mktemp("dump") / "port.h5"
    assert main(["capture", str(path), *CAPTURE, *DUMPED]) == 0
    return path


Edit = Callable[[dict[str, Tensor]], None]


def edited(source: Path, target: Path, edit: Edit, **manifest: object) -> Path:
    """Write a dump again with its tensors or its manifest changed."""
    from dataclasses import replace

    with Dump.open(source) as dump:
        tensors = {name: dump.read(name) for name in dump.names}
        told = replace(dump.manifest, **manifest)  # type: ignore[arg-type]
    edit(tensors)
    with DumpWriter(target) as writer:
        writer.set_manifest(told)
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    return target


X0 = "transformer.pass_cond.video.x0"
Q = "transformer.pass_cond.block00.video.self_attn.q"


def nothing(_: dict[str, Tensor]) -> None:
    """Leave the tensors."""


def put(name: str, value: float) -> Edit:
    def edit(tensors: dict[str, Tensor]) -> None:
        tensors[name].view(-1)[5] = value

    return edit


def swap(tensors: dict[str, Tensor]) -> None:
    other = Q.replace(".q", ".k")
    tensors[Q], tensors[other] = tensors[other], tensors[Q]


def test_a_dump_compares_with_itself(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = edited(dump, tmp_path / "copy.safetensors", nothing)
    assert main(["compare", str(dump), str(copy), "--suite", "exact"]) == 0
    taps = sum(".pass_cond." in name and (".block00." in name or ".x0" in name) for name in BINDING.taps("small"))
    assert capsys.readouterr().out.startswith(f"WITHIN BUDGET: {taps} taps")


@pytest.mark.parametrize(
    ("edit", "code", "told"),
    [
        (lambda t: t.pop(Q), 3, f"{Q}: missing in the candidate"),
        (lambda t: t.update({"transformer.pass_cond.extra": torch.ones(2)}), 3, "extra: extra in the candidate"),
        (lambda t: t.update({Q: t[Q].float()}), 3, f"{Q}: candidate's dtype torch.float32"),
        (lambda t: t.update({Q: t[Q][:, 1:]}), 3, f"{Q}: candidate's shape (1, 7, 64)"),
        (put(X0, torch.nan), 1, "nonfinite"),
        (put(X0, torch.inf), 1, "nonfinite"),
        (swap, 1, Q),
        (put(Q, 3.0), 1, Q),
    ],
    ids=["missing", "extra", "dtype", "shape", "nan", "inf", "swapped", "changed"],
)
def test_a_dump_that_differs_never_passes(
    dump: Path, tmp_path: Path, edit: Edit, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = edited(dump, tmp_path / "changed.h5", edit)
    assert main(["compare", str(dump), str(changed), "--suite", "recorded", "--json"]) == code
    assert told.rsplit(".", 1)[-1].split(":")[-1].strip() in capsys.readouterr().out
    main(["compare", str(dump), str(changed), "--suite", "recorded"])
    shown = " ".join(capsys.readouterr().out.split())
    assert told in shown or told.replace("nonfinite", "non-finite") in shown


def test_infinity_is_not_minus_infinity(dump: Path, tmp_path: Path) -> None:
    above = edited(dump, tmp_path / "above.h5", put(X0, torch.inf))
    below = edited(dump, tmp_path / "below.h5", put(X0, -torch.inf))
    assert main(["compare", str(above), str(below), "--quiet"]) == 1
    assert main(["compare", str(above), str(above), "--quiet"]) == 1, "not even against itself"


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ({"checkpoint_sha256": "0" * 64}, "checkpoint_sha256"),
        ({"case": "guided-b1"}, "case"),
        ({"release": "1.2.0"}, "release: 1.2.0 != 1.0.0"),
        ({"input_sha256": {}}, "input_sha256"),
    ],
)
def test_a_stale_dump_is_refused(
    dump: Path, tmp_path: Path, manifest: dict[str, object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = edited(dump, tmp_path / "stale.h5", nothing, **manifest)
    assert main(["compare", str(dump), str(stale), "--quiet"]) == 3
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_the_live_port_stands_against_its_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole.h5"
    assert main(["capture", str(whole), *CAPTURE]) == 0
    capsys.readouterr()
    assert main(["compare", str(whole), "--live", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["outcome"]["identical"] == 3 * len(BINDING.taps("small"))
    # A dump may be of any machine: there are verdicts, and no classes.
    assert document["outcome"]["classes"] is None


def test_the_live_port_needs_every_tap_in_the_dump(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(dump), "--live"]) == 3
    assert "not in the dump" in capsys.readouterr().out


def test_a_cut_dump_is_incomplete(tmp_path: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a limit left out is listed, and never passed over."""
    cut = tmp_path / "cut.h5"
    assert main(["capture", str(cut), *CAPTURE, *DUMPED, "--max-tokens", "3"]) == 0
    assert "left out or cut by limits" in capsys.readouterr().out
    assert main(["compare", str(dump), str(cut), "--quiet"]) == 3
    limited = tmp_path / "limited.h5"
    assert main(["capture", str(limited), *CAPTURE, *DUMPED, "--max-bytes", "20K"]) == 0
    assert main(["compare", str(dump), str(limited), "--quiet"]) == 3


def test_patterns_select_taps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "some.h5"
    assert main(["capture", str(path), *CAPTURE, "--taps", "*.x0,*.block00.video.in"]) == 0
    assert main(["show", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert len(found["taps"]) == 4 * 3


BAD_INPUT: list[list[str]] = [
    ["capture", "/nonexistent/folder/x.h5", *CAPTURE],
    ["capture", "x.txt", *CAPTURE],
    ["capture", "x.h5", "--case", "nope", "--side", "port"],
    ["capture", "x.h5", "--case", "small", "--side", "nobody"],
    ["capture", "x.h5", "--case", "small", "--side", "port", "--dtype", "int8"],
    ["capture", "x.h5", *CAPTURE, "--taps", "nothing.matches"],
    ["compare", "missing.h5", "--live"],
    ["compare", "missing.h5", "also-missing.h5"],
    ["compare", "missing.h5"],
    ["run", "--case", "nope"],
    ["run", "--suite", "nope"],
    ["run", "--stage", "nope"],
    ["run", "--stage", "text", "--case", "small"],
    ["run", "--release", "0.9"],
    ["run", "--release", "1.2.0", "--reference", "live"],
    ["capture", "x.h5", *CAPTURE, "--release", "0.9"],
    ["run", "--dtype", "nope"],
    ["run", "--fault", "nope"],
    ["run", "--suite", "recorded", "--case", "streams"],
    ["run", "--suite", "exact", "--reference", "recorded"],
    ["run", "--suite", "recorded", "--reference", "live"],
    ["run", "--device", "cuda:99"],
    ["run", "--device", "nonsense"],
    ["run", "--weights", "streamed"],
    ["run", "--weights", "shared", "--case", "small"],
    ["run", "--weights", "streamed", "--model", "examples.second_model.binding:BINDING"],
    ["run", "--model", "nope"],
    ["calibrate"],
    ["calibrate", "--output", ".", "--case", "nope"],
    ["calibrate", "--output", ".", "--stage", "nope"],
    ["calibrate", "--output", ".", "--case", "small", "--dtype", "nope"],
    ["calibrate", "--output", ".", "--case", "vocoder-stages", "--dtype", "float32"],
    ["gate", "--dtype", "nope"],
    ["gate", "--dtype", "float64"],
    ["gate", "--device", "cuda:99"],
    ["gate", "--device", "nonsense"],
    ["gate", "--device", "meta"],
    ["gate", "--release", "0.9"],
    ["gate", "--certificates", "/dev/null"],
    ["gate", "--certificates", "/dev/null/below"],
    ["show", "missing.h5"],
    ["show"],
    ["report", "missing.json"],
    ["report", "."],
]


@pytest.mark.parametrize("arguments", BAD_INPUT, ids=" ".join)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, *([] if "--quiet" in arguments else ["--quiet"])]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("ltx-parity: ")
    assert shown.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_dump_is_bad_input(
    dump: Path, tmp_path: Path, keep: float, capsys: pytest.CaptureFixture[str]
) -> None:
    content = dump.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(content[: int(len(content) * keep)])
    assert main(["compare", str(cut), "--live", "--quiet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_report_is_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    suite = ["--suite", "recorded", "--release", "1.0.0", "--case", "lora-small", "--dtype", "bfloat16"]
    command = ["run", *suite, "--fault", "ZL7", "--output", str(out)]
    assert main([*command, "--quiet"]) == 1
    first = capsys.readouterr().out
    assert "First divergence: lora." in first
    assert main(["report", str(out / "run.json")]) == 1
    assert capsys.readouterr().out == first
    assert main(["report", str(out / "run.json"), "--markdown"]) == 1
    assert capsys.readouterr().out.strip() == (out / "run.md").read_text(encoding="utf-8").strip()
    assert main([*command[:-2], "--json", "--quiet"]) == 1
    assert json.loads(capsys.readouterr().out)["outcome"]["exit_code"] == 1


def test_everything_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"exact", "drift", "recorded"} == set(listed["suites"])
    stages = ["text", "picture", "latents", "transformer", "denoise", "upsampler", "video_vae", "audio_vae", "vocoder",
              "mp4", "lora", "pipeline"]  # fmt: skip
    assert list(listed["stages"]) == stages, "in the order of the data path"
    assert {"small", "guided-b1", "real-width"} <= set(listed["cases"])
    assert "X1" in listed["faults"]
    assert main(["show", "--taps", "small", "--pattern", "*.x0"]) == 0
    assert len(capsys.readouterr().out.split()) == 4 * 2


def capturing(target: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "parity", "capture", str(target), *CAPTURE]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_killed_capture_leaves_the_previous_dump(tmp_path: Path, dump: Path) -> None:
    """kill -9 while the dump is being written: the old one is whole, and no half one has its name."""
    old, fresh = tmp_path / "old.h5", tmp_path / "fresh.h5"
    old.write_bytes(dump.read_bytes())
    for target, before in ((old, dump.read_bytes()), (fresh, None)):
        process = capturing(target)
        # Killed as soon as something partial lies beside the target: the moment that matters.
        deadline = time.monotonic() + 60
        while not any(target.name in p.name and p != target for p in tmp_path.iterdir()) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it had ended before it could be killed"
        assert (target.read_bytes() if target.exists() else None) == before
    for target in (old, fresh):
        assert main(["capture", str(target), *CAPTURE, *DUMPED]) == 0
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_an_interrupt_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from parity.ltx23.binding import LTX23

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LTX23, "run", interrupted)
    assert main(["run", "--quiet"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_output_into_a_closed_pipe_is_no_crash() -> None:
    command = f"{sys.executable} -m parity show --taps guided-b1 | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "transformer.pass_cond.config.video.heads\n"
