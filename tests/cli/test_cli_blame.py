"""`ltx-parity locate` and `ltx-parity faults`: what they print, and what they exit with."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from parity.cli import main
from parity.ltx23 import blaming
from parity.store import Dump, DumpWriter

CASE = ["--case", "upsampler-batch", "--dtype", "bfloat16", "--quiet"]
BLAMED = "upsampler.latent_2x3x2_b2.enlarge.unfolded"


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dump") / "reference.h5"
    assert main(["capture", str(path), "--side", "port", *CASE]) == 0
    return path


def written(source: Path, target: Path, **changes: Tensor) -> Path:
    """Write a dump again with some tensors changed, named by the ends of their names."""
    with Dump.open(source) as opened:
        tensors = {name: opened.read(name) for name in opened.names}
        told = opened.manifest
    for end, value in changes.items():
        (name,) = [name for name in tensors if name.endswith(end.replace("__", "."))]
        tensors[name] = value
    with DumpWriter(target) as writer:
        writer.set_manifest(told)
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    return target


def read(path: Path, end: str) -> tuple[str, Tensor]:
    with Dump.open(path) as opened:
        (name,) = [name for name in opened.names if name.endswith(end)]
        return name, opened.read(name)


def test_a_wrong_tensor_of_a_dump_is_blamed(dump, tmp_path, capsys):
    name, right = read(dump, "_b2.enlarge.unfolded")
    wrong = written(dump, tmp_path / "wrong.h5", _b2__enlarge__unfolded=right.roll(1, 3))
    assert main(["locate", str(dump), str(wrong), "--quiet"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"blamed: {name} (upsampler-batch, bfloat16, chained)")
    assert "part: resampling" in shown
    assert "hint: the candidate equals the reference" in shown
    assert "along axis 3 (rows)" in shown
    assert "nothing before it differs" in shown
    assert "candidate: upsampler" in shown
    assert main(["locate", str(dump), str(wrong), "--quiet", "--json"]) == 1
    blame = json.loads(capsys.readouterr().out)["blame"]
    assert (blame["tap"], blame["kind"], blame["part"]) == (name, "shift", "resampling")


def test_equal_dumps_blame_nothing(dump, tmp_path, capsys):
    same = written(dump, tmp_path / "same.safetensors")
    assert main(["locate", str(dump), str(same), "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("nothing to blame")


def test_what_rounding_explains_is_within_the_budget_of_dumps(dump, tmp_path):
    _, right = read(dump, "_b2.enlarge.unfolded")
    near = (right.view(torch.int16) + (torch.arange(right.numel()).view(right.shape) % 40 == 0)).view(right.dtype)
    rounded = written(dump, tmp_path / "near.h5", _b2__enlarge__unfolded=near)
    assert main(["locate", str(dump), str(rounded), "--quiet"]) == 0
    assert main(["locate", str(dump), str(rounded), "--quiet", "--suite", "exact"]) == 1


def test_a_dump_that_lacks_a_tap_is_incomplete(dump, tmp_path, capsys):
    part = tmp_path / "part.h5"
    taps = ["--taps", "*.in,*.out"]
    assert main(["capture", str(part), "--side", "port", *CASE, *taps]) == 0
    assert main(["locate", str(dump), str(part), "--quiet"]) == 3
    assert "not compared" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["DUMP"], ["DUMP", "DUMP", "--case", "small"], ["DUMP", "DUMP", "--dtype", "float32"],
     ["DUMP", "DUMP", "--suite", "best"], ["--case", "nowhere"], ["--fault", "Q99"], ["--live"],
     ["DUMP", "DUMP", "--live"], ["DUMP", "--live", "--case", "small"], ["DUMP", "--live", "--suite", "exact"],
     ["absent.h5", "--live"], ["absent.h5", "DUMP"]],
)  # fmt: skip
def test_a_search_that_makes_no_sense_is_refused_in_one_line(dump, arguments, capsys):
    assert main(["locate", *[str(dump) if word == "DUMP" else word for word in arguments], "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("ltx-parity: ")


def test_a_wrong_dump_is_blamed_without_any_reference_running(dump, tmp_path, capsys):
    """The other way round: the dump is wrong, and the port that runs against it is right."""
    assert main(["locate", str(dump), "--live", "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("nothing to blame")
    _, right = read(dump, "_b2.enlarge.unfolded")
    wrong = written(dump, tmp_path / "wrong.h5", _b2__enlarge__unfolded=right * 0.5)
    assert main(["locate", str(wrong), "--live", "--quiet", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["blame"]["tap"], found["blame"]["kind"]) == (BLAMED, "factor")
    assert "times 2" in found["blame"]["hint"]
    assert found["candidate"] in found["blame"]["places"]


@pytest.mark.reference
def test_a_planted_fault_is_located_live(capsys):
    assert main(["locate", "--fault", "ZU7", "--quiet"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"blamed: {BLAMED} (upsampler-batch, bfloat16, isolated)")
    assert "candidate: upsampler.enlarge.unfold>out (port)" in shown
    assert "(official)" in shown
    assert "axes 0 and 2 swapped" in shown


@pytest.mark.reference
def test_the_report_of_a_run_tells_what_is_blamed(capsys):
    arguments = ["--suite", "exact", *CASE, "--fault", "ZU7"]
    assert main(["run", *arguments]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "blame: resampling: 50% of 6,144 elements differ" in shown
    assert main(["run", *arguments, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert "axes 0 and 2 swapped" in document["outcome"]["first_divergence"]["blame"]
    blamed = [f["blame"] for case in document["cases"] for f in case["forwards"] if f["blame"] is not None]
    assert [blame["tap"] for blame in blamed] == [BLAMED]


@pytest.mark.reference
def test_a_campaign_prints_each_fault_and_the_totals(capsys):
    assert main(["faults", "--fault", "ZU3,ZU6", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 (100.0%) detected" in shown
    assert "2 of 2 (100.0%) blamed at the faulty module's tap" in shown
    assert "ZU3 yes   bug          right right" in shown
    assert main(["faults", "--stage", "upsampler", "--fault", "ZU3", "--quiet", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["totals"]["hinted"] == 1
    assert document["faults"][0]["blame"]["kind"] == "layout"


@pytest.mark.reference
def test_a_campaign_goes_on_from_its_journal(tmp_path, capsys, monkeypatch):
    journal, arguments = tmp_path / "journal", ["--fault", "ZU3,ZU6", "--journal"]
    plant = blaming._plant
    planted: list[str] = []

    def interrupted(fault, *more):
        if planted:
            raise KeyboardInterrupt
        planted.append(fault.id)
        return plant(fault, *more)

    monkeypatch.setattr(blaming, "_plant", interrupted)
    assert main(["faults", *arguments, str(journal)]) == 130
    assert f"{planted[0]} yes" in capsys.readouterr().err
    monkeypatch.setattr(blaming, "_plant", lambda fault, *more: planted.append(fault.id) or plant(fault, *more))
    assert main(["faults", *arguments, str(journal), "--quiet"]) == 0
    assert sorted(planted) == ["ZU3", "ZU6"]
    assert "2 of 2 (100.0%) detected" in capsys.readouterr().out
    # All is known, and nothing is planted; a file that is none is refused.
    assert main(["faults", *arguments, str(journal), "--quiet"]) == 0
    assert len(planted) == 2
    (tmp_path / "other").write_text("none\n")
    assert main(["faults", *arguments, str(tmp_path / "other"), "--quiet"]) == 2


@pytest.mark.reference
def test_processes_share_a_campaign(capsys):
    assert main(["faults", "--fault", "ZU3,ZU6", "--json", "--quiet", "--jobs", "2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(fault["id"], fault["hinted"]) for fault in document["faults"]] == [("ZU3", True), ("ZU6", True)]
