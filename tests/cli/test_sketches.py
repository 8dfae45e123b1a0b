"""`ltx-parity capture --sketch`, and what `compare` and `show` make of sketches."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from examples.second_model.binding import BINDING as OTHER
from parity.cli import main
from parity.ltx23.binding import BINDING
from parity.ltx23.recording import manifest
from parity.ltx23.stages import FAULTS, Choice, chosen_cases
from parity.ltx23.world import Variation, World
from parity.sketch.capture import Sitting, record_sketch, sketch_of
from parity.sketch.file import read_sketch
from parity.sketch.recipe import DEFAULT
from parity.store import Dump

SECOND = "examples.second_model.binding:BINDING"
RUN = ["--case", "lockstep", "--sketch", "--quiet"]
TAPS = ["--taps", "transformer.pass_cond.*"]


def captured(folder: Path, name: str, *extra: str, side: str = "port") -> Path:
    path = folder / f"{name}.sketch.safetensors"
    assert main(["capture", str(path), *RUN, "--side", side, *extra]) == 0
    return path


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four passes of the resident case."""
    return captured(tmp_path_factory.mktemp("sketch"), "port", "--config", "tiny")


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pass of it."""
    return captured(tmp_path_factory.mktemp("part"), "part", *TAPS)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tensors of that pass."""
    path = tmp_path_factory.mktemp("dump") / "part.h5"
    assert main(["capture", str(path), "--case", "lockstep", "--side", "port", "--quiet", *TAPS]) == 0
    return path


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    code = main(["compare", *arguments, "--json", "--quiet"])
    return code, json.loads(capsys.readouterr().out)


def test_a_sketch_has_every_tap_of_every_pass_and_says_how_to_do_it_again(port: Path) -> None:
    found = read_sketch(port)
    assert set(found.taps) == set(BINDING.taps("lockstep"))
    assert {name.split(".")[1] for name in found.taps} == {"pass_cond", "pass_neg", "pass_stg", "pass_isolated"}
    extra = found.manifest.extra
    assert json.loads(extra["weights"])["seed"] == 20260305
    assert (extra["config"], extra["inputs"]) == ("tiny", "drawn from seed 20260305")
    assert extra["packages"].startswith("ltx-parity ")


@pytest.mark.reference
def test_port_and_official_code_have_the_same_sketches(
    port: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    official = captured(tmp_path, "official", side="official")
    code, told = compared(capsys, str(official), str(port), "--suite", "exact")
    assert (code, told["standings"]["identical"]) == (0, len(BINDING.taps("lockstep")))  # type: ignore[index]
    assert "ltx-core 1.0.0" in read_sketch(official).manifest.extra["packages"]


def planted(fault: str, path: Path) -> Path:
    (case,) = chosen_cases(Choice(ids=("lockstep",), lockstep=True))
    with World(variation=Variation(FAULTS[fault])) as world:
        forwards = [forward for forward in world.forwards(case, torch.bfloat16) if forward.name == "pass_cond"]
        sitting = Sitting(world.port(case, torch.bfloat16), forwards)
        record_sketch(sitting, manifest(world, case, torch.bfloat16, "port", "test"), path, lambda *_: None)
    return path


def test_a_planted_fault_is_named_by_the_first_tap_that_is_off(
    part: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = planted("A1", tmp_path / "fault.sketch.safetensors")
    for suite in ("exact", "recorded"):
        assert main(["compare", str(part), str(path), "--suite", suite, "--quiet", "--details"]) == 1
        out = capsys.readouterr().out
        first = "First divergence: transformer.pass_cond.block00.video.self_attn.gated"
        assert f"{first} ({suite}/lockstep, bfloat16)" in out
        assert "norm x0.5;" in out


def test_a_sketch_is_compared_with_a_dump_on_either_side_and_with_the_live_port(
    part: Path, dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taps = len(read_sketch(part).taps)
    live = [str(part), "--live", "--weights", "streamed"]
    for sides in ([str(part), str(dump)], [str(dump), str(part)], [str(part), "--live"], live):
        code, told = compared(capsys, *sides, "--suite", "exact")
        assert (code, told["standings"]["identical"]) == (0, taps)  # type: ignore[index]


def test_the_sketch_of_a_dump_is_that_of_the_run(part: Path, dump: Path) -> None:
    live = read_sketch(part)
    with Dump.open(dump) as opened:
        later = sketch_of(opened, DEFAULT)
    assert live.taps == later.taps
    assert [row.digest for row in live.rows] == [row.digest for row in later.rows]
    assert all((a.buckets == b.buckets).all() for a, b in zip(live.rows, later.rows, strict=True))


@pytest.mark.parametrize("form", ["copies", "streamed"])
def test_two_runs_give_the_same_columns(part: Path, tmp_path: Path, form: str) -> None:
    again = captured(tmp_path, "again", *TAPS, "--weights", form)
    assert read_sketch(again).manifest.extra["weights_form"] == form
    told = [
        replace(read_sketch(path).manifest, command="", created="2026-01-01T00:00:00+00:00") for path in (part, again)
    ]
    told[1].extra["weights_form"] = "copies"
    assert told[0] == told[1]
    hashes = []
    for path in (part, again):
        with Dump.open(path, "sketch/1") as opened:
            hashes.append({column: opened.entry(column).sha256 for column in opened.names})
    assert hashes[0] == hashes[1]


def test_a_limit_of_bytes_holds(part: Path, tmp_path: Path) -> None:
    limit = part.stat().st_size - 20_000
    small = captured(tmp_path, "small", *TAPS, "--max-bytes", str(limit))
    assert small.stat().st_size <= limit
    assert int(read_sketch(small).manifest.extra["sketch_drawn"]) < DEFAULT.elements


def test_a_model_of_another_kind_is_sketched_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "reference.sketch.safetensors"
    request = ["--model", SECOND, "--case", next(iter(OTHER.cases())), "--dtype", "float32", "--quiet"]
    assert main(["capture", str(path), *request, "--sketch", "--side", "reference"]) == 0
    code, told = compared(capsys, str(path), "--live", "--model", SECOND, "--suite", "live")
    assert code == 0
    assert told["standings"]["over"] == 0  # type: ignore[index]


def test_show_tells_what_is_known_of_each_tap(port: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["show", str(port), "--pattern", "*.block00.video.in"]) == 0
    out = capsys.readouterr().out
    assert "distinct tensors: 1308 of 2346 taps" in out
    assert "sketch_seed" in out
    assert main(["show", str(port), "--json", "--pattern", "*pass_cond.block00.video.in"]) == 0
    (tap,) = json.loads(capsys.readouterr().out)["taps"].values()
    row = read_sketch(port).row("transformer.pass_cond.block00.video.in")
    assert (tap["digest"], tap["norm"], tap["elements"]) == (row.digest.hex(), row.norm, 1024)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["capture", "a.safetensors", *RUN, "--side", "port"], ".sketch.safetensors"),
        (["capture", "a.sketch.safetensors", *RUN, "--side", "port", "--statistics"], "--sketch with --statistics"),
        (["capture", "a.sketch.safetensors", *RUN, "--side", "port", "--max-tokens", "2"], "--max-tokens"),
        (["capture", "a.sketch.safetensors", *RUN, "--side", "port", "--config", "ltx-2.3-22b"], "config tiny"),
        (["capture", "a.sketch.safetensors", *RUN, "--side", "port", "--max-bytes", "9K"], "9,216 at most"),
        (["capture", "a.h5", "--case", "small", "--side", "port", "--elements", "2"], "--elements without --sketch"),
        (["compare", "PORT", "--live", "--html", "a.html"], "--html with a sketch"),
        (["compare", "PORT", "PORT", "--across-releases"], "--across-releases with a sketch"),
        (["compare", "PORT", "PORT", "--device", "cpu"], "--device without --live"),
        (["compare", "a.h5", "--live", "--device", "cpu"], "--device without a sketch"),
        (["compare", "PORT", "PORT", "--weights", "copies"], "--weights without --live"),
        (["compare", "a.h5", "--live", "--weights", "streamed"], "--weights without a sketch"),
        (["capture", "a.h5", "--case", "small", "--side", "port", "--weights", "streamed"], "in a file"),
        (
            ["capture", "a.h5", "--model", SECOND, "--case", "text", "--side", "candidate", "--weights", "streamed"],
            "--weights: not of",
        ),
        (["compare", "PORT"], "two dumps, or one dump and --live"),
        (["compare", "PORT", "PORT", "--suite", "none"], "suite 'none'"),
        (["locate", "PORT", "PORT"], "a dump of the kind 'sketch/1'"),
        (["show", "absent.sketch.safetensors"], "no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: list[str], part: str, port: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main([str(port) if word == "PORT" else word for word in arguments]) == 2
    text = capsys.readouterr().err
    assert part in text
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_sketches_of_other_inputs_and_recipes_are_incomplete(
    part: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = captured(tmp_path, "other", *TAPS, "--elements", "5")
    assert main(["compare", str(part), str(other), "--quiet"]) == 3
    assert "elements=5" in capsys.readouterr().err
    rounded = captured(tmp_path, "rounded", *TAPS, "--dtype", "float32")
    assert main(["compare", str(part), str(rounded), "--quiet"]) == 3
    assert "input_sha256" in capsys.readouterr().err
