"""`ltx-parity gate`: a certificate for a pass of all stages, and nothing else; what fails takes the older one away."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ltx_port.certificate import Certificate, Scope, certificate_path, valid_certificate
from ltx_port.errors import InputError
from ltx_port.lora.fusion import ScaledProduct
from ltx_port.release import RELEASES
from ltx_port.transformer.attention import AttentionBackend
from parity.binding import GateRequest, RunRequest
from parity.cli import main
from parity.errors import BadInputError, IncompleteError
from parity.ltx23 import binding, choice, gate
from parity.ltx23.binding import LTX23, RECORDINGS
from parity.ltx23.choice import chosen_suites, gate_suites
from parity.ltx23.gate import Gate
from parity.ltx23.stages import CASES, STAGES, stage_of
from reference_dumps.lock import LOCK_NAME, SCHEMA

RELEASE = "1.2.0"
SCOPE = Scope.of(torch.device("cpu"), torch.bfloat16, AttentionBackend.AUTO, RELEASES[RELEASE])
SMALL = [CASES["lora-small"]]


@pytest.fixture(autouse=True)
def no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the official code is not installed, so that gates run on recordings."""
    monkeypatch.setattr(choice, "installed", lambda: None)


@pytest.fixture
def one_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were one small stage."""
    monkeypatch.setattr(binding, "chosen_cases", lambda *_: SMALL)
    monkeypatch.setattr(gate, "chosen_cases", lambda *_: SMALL)
    monkeypatch.setattr(gate, "STAGES", {"lora": STAGES["lora"]})


def run_gate(folder: Path, *arguments: str) -> int:
    return main(["gate", "--release", RELEASE, "--certificates", str(folder), "--quiet", *arguments])


def file(folder: Path) -> Path:
    return certificate_path(SCOPE, folder)


@pytest.fixture
def older(one_stage: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with the certificate of a gate that passed."""
    assert run_gate(tmp_path) == 0
    capsys.readouterr()
    return tmp_path


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the strength, in the port itself."""

    def forward(_: ScaledProduct, a: Tensor, b: Tensor, strength: float) -> Tensor:
        return torch.matmul(b, a)

    monkeypatch.setattr(ScaledProduct, "forward", forward)


def test_a_pass_of_all_stages_is_certified(one_stage: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = tmp_path / "not" / "yet" / "there", tmp_path / "output"
    assert run_gate(folder, "--output", str(output)) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("WITHIN BUDGET: ")
    assert shown.splitlines()[-1] == f"certificate: {file(folder)}"
    found = valid_certificate(SCOPE, folder)
    assert found.scope == SCOPE
    assert [(row.stage, row.suite, row.case) for row in found.compared] == [
        ("lora", "recorded", f"lora-small@{RELEASE}")
    ]
    assert (found.reference.release, found.reference.commit, found.reference.oracles) == (
        RELEASE,
        "2362161",
        ("recorded",),
    )
    report = (output / "run.json").read_bytes()
    assert found.report_sha256 == hashlib.sha256(report).hexdigest()
    outcome = json.loads(report)["outcome"]
    assert found.compared[0].taps == outcome["taps"] > 10
    assert found.compared[0].elements == outcome["elements"]


def test_the_result_is_one_json_document(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_gate(older, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["certificate"], document["removed"]) == (str(file(older)), None)
    plant(monkeypatch)
    assert run_gate(older, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["certificate"], document["removed"]) == (None, str(file(older)))
    assert document["report"]["outcome"]["exit_code"] == 1


def test_a_port_with_a_fault_is_not_certified_and_loses_its_certificate(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(monkeypatch)
    for removed in (f"; removed the older one, {file(older)}", ""):
        assert run_gate(older) == 1
        shown = capsys.readouterr().out
        assert "First divergence: lora." in shown
        assert shown.splitlines()[-1] == f"certificate: none, this run did not pass{removed}"
        assert list(older.iterdir()) == []
    with pytest.raises(InputError, match="no certificate"):
        valid_certificate(SCOPE, older)


def test_only_the_certificate_of_that_scope_is_removed(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_gate(older, "--dtype", "float32") == 0
    plant(monkeypatch)
    assert run_gate(older, "--dtype", "float32") == 1
    valid_certificate(SCOPE, older)


def refused(folder: Path, code: int, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_gate(folder, *arguments) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    return shown.err


def test_a_gate_without_a_case_of_every_stage_is_refused_before_it_runs(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "STAGES", STAGES)
    told = refused(older, 3, capsys)
    assert f"no case of {', '.join(stage for stage in STAGES if stage != 'lora')} in the suites recorded" in told
    assert f"; the older certificate {file(older)} is removed" in told
    assert list(older.iterdir()) == []


def test_a_pass_of_fewer_cases_than_the_gate_has_is_never_certified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(binding, "chosen_cases", lambda *_: SMALL)
    told = refused(tmp_path, 3, capsys)
    recorded = sum(case.recorded for case in CASES.values())
    assert f"1 cases ran; expected the {recorded} that it consists of" in told
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_changes_while_it_is_judged_is_not_certified(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes: Iterator[str] = iter(["1" * 64, "2" * 64])
    monkeypatch.setattr(gate, "port_sha256", lambda: next(hashes))
    assert "its files changed during the run" in refused(older, 3, capsys)
    assert list(older.iterdir()) == []


Raise = Callable[..., object]


def raising(error: BaseException) -> Raise:
    def act(*_: object) -> object:
        raise error

    return act


def test_a_gate_that_could_not_compare_takes_the_certificate_away(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LTX23, "run", raising(IncompleteError("a dump", "stale", "a current one", "record it")))
    told = refused(older, 3, capsys)
    assert told == (
        "ltx-parity: a dump: stale; expected a current one; record it; "
        f"the older certificate {file(older)} is removed\n"
    )
    assert list(older.iterdir()) == []
    assert refused(older, 3, capsys).endswith("; record it\n")


def test_a_gate_that_crashes_takes_the_certificate_away(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LTX23, "run", raising(MemoryError()))
    with pytest.raises(MemoryError):
        run_gate(older)
    assert list(older.iterdir()) == []


def test_an_interrupted_gate_says_nothing_about_the_port(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LTX23, "run", raising(KeyboardInterrupt()))
    refused(older, 130, capsys)
    valid_certificate(SCOPE, older)


def test_bad_input_leaves_the_certificate(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(older.iterdir())
    for arguments in (["--dtype", "nope"], ["--device", "cuda:99"], ["--release", "0.9"]):
        refused(older, 2, capsys, *arguments)
    assert sorted(older.iterdir()) == before


def test_a_certificate_that_cannot_be_written_leaves_none(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "fsync", raising(OSError(28, "No space left on device")))
    assert "No space left on device" in refused(older, 2, capsys)
    assert list(older.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_runs(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(LTX23, "run", raising(AssertionError("it ran")))
    assert f"{older}: cannot be written to" in refused(older, 2, capsys)


def test_an_edited_certificate_is_replaced_by_the_next_pass(older: Path) -> None:
    path = file(older)
    path.write_text(path.read_text()[:-40])
    assert run_gate(older) == 0
    assert Certificate.read(path) == valid_certificate(SCOPE, older)


EVERY_SCOPE = [
    (release, dtype, attention)
    for release in RELEASES
    for dtype in ("bfloat16", "float32")
    for attention in ("auto", "math")
]


@pytest.mark.parametrize(("release", "dtype", "attention"), EVERY_SCOPE)
def test_the_suites_follow_from_what_is_installed(
    release: str, dtype: str, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = Scope("cpu", dtype, attention, release, "2.13.0")  # type: ignore[arg-type]
    assert gate_suites(scope, RECORDINGS) == ("recorded",)
    monkeypatch.setattr(choice, "installed", lambda: release)
    drift = ("drift",) if dtype == "bfloat16" else ()
    expected = ("exact", *drift) if attention == "auto" else (*drift, "recorded")
    assert gate_suites(scope, RECORDINGS) == expected


@pytest.mark.parametrize("here", [None, *RELEASES])
@pytest.mark.parametrize(("release", "dtype", "attention"), EVERY_SCOPE)
def test_every_gate_has_cases_of_every_stage_and_runs_what_it_counts_on(
    here: str | None, release: str, dtype: str, attention: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "installed", lambda: here)
    request = GateRequest(dtype=dtype, attention=attention, release=release, certificates=tmp_path)
    found = Gate.of(request, RECORDINGS)
    planned = found._planned()
    # The official pipelines compute in bfloat16 alone: a certificate for float32 does not speak of whole generations.
    without = set() if dtype == "bfloat16" else {"pipeline"}
    assert {stage_of(job.case).id for job in planned} == set(STAGES) - without
    assert {job.release for job in planned} == {release}
    assert {str(job.dtype) for job in planned} == {f"torch.{dtype}"}
    assert not any(job.case.real_size for job in planned)
    assert chosen_suites(found.run, RECORDINGS) == [(suite, release) for suite in found.run.suites]
    assert found.run.fault is None


def test_without_official_code_and_recordings_nothing_can_be_certified(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text(json.dumps({"schema": SCHEMA, "sha256": {}}))
    with pytest.raises(BadInputError, match=r"official code 1\.2\.0 is not installed, and there are no recordings"):
        Gate.of(GateRequest(certificates=tmp_path / "new"), tmp_path)
    assert not (tmp_path / "new").exists()


def test_the_newest_release_in_bfloat16_is_the_default(tmp_path: Path) -> None:
    assert Gate.of(GateRequest(certificates=tmp_path), RECORDINGS).scope == SCOPE


def test_live_suites_stand_in_for_the_recordings_of_their_release_unless_both_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "installed", lambda: "1.0.0")
    unnamed = chosen_suites(RunRequest(suites=("exact", "recorded")), RECORDINGS)
    assert unnamed == [("exact", "1.0.0"), ("recorded", "1.2.0")]
    named = chosen_suites(RunRequest(suites=("exact", "recorded"), release="1.0.0"), RECORDINGS)
    assert named == [("exact", "1.0.0"), ("recorded", "1.0.0")]
