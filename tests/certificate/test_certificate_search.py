"""A certificate opens the pipeline only while it holds; else one line says why, and ends with what to run."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from certificate_cases import EVIDENCE, PASSED, PORT, SCOPE, evidence, put, sealed

from ltx_port.certificate import Certificate, Evidence, Scope, default_folder, valid_certificate
from ltx_port.certificate.port_hash import PORT as PORT_FOLDER
from ltx_port.certificate.port_hash import port_sha256
from ltx_port.certificate.search import SECONDS
from ltx_port.errors import InputError
from ltx_port.release import RELEASE_1_0_0, RELEASES
from ltx_port.transformer.attention import AttentionBackend

OTHER = {"device": "cuda", "dtype": "float32", "attention": "math", "release": "1.0.0", "torch": "2.12.1"}
COMMAND = "run: ltx-parity gate --device cpu --dtype bfloat16 --release 1.2.0"
WITHOUT_CERTIFICATES = f"about {SECONDS['cpu']:.0f} s"


def refusal(folder: Path, scope: Scope = SCOPE) -> InputError:
    """What is said where no certificate holds: always one line, ending with the command and its time."""
    with pytest.raises(InputError) as caught:
        valid_certificate(scope, folder)
    told = str(caught.value)
    assert len(told.splitlines()) == 1
    assert f"; run: ltx-parity gate --device {scope.device} --dtype {scope.dtype}" in told
    assert told.endswith(" s)")
    return caught.value


def test_a_certificate_that_holds_is_given_back(tmp_path: Path) -> None:
    put(tmp_path)
    assert valid_certificate(SCOPE, tmp_path) == sealed()


def test_none_is_no_certificate(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        found = refusal(folder)
        assert (found.where, found.got) == (str(folder), "no certificate")
        assert "device cpu, dtype bfloat16, attention auto, release 1.2.0, torch" in found.expected


@pytest.mark.parametrize("part", OTHER)
def test_one_for_another_scope_does_not_hold(tmp_path: Path, part: str) -> None:
    """Neither under its own name, nor renamed to the one that is looked for."""
    other = dataclasses.replace(SCOPE, **{part: OTHER[part]})
    put(tmp_path, evidence(other))
    valid_certificate(other, tmp_path)
    under_its_own_name = refusal(tmp_path)
    (tmp_path / other.file_name).replace(tmp_path / SCOPE.file_name)
    for found in (under_its_own_name, refusal(tmp_path)):
        assert found.got == f"made for another {part}: {part} {OTHER[part]}"
        assert found.expected == f"{part} {getattr(SCOPE, part)}"


def test_the_closest_of_several_is_named(tmp_path: Path) -> None:
    further = dataclasses.replace(SCOPE, device="cuda", dtype="float32")
    put(tmp_path, evidence(further, created="2026-11-27T04:00:00+00:00"))
    put(tmp_path, evidence(dataclasses.replace(SCOPE, torch="2.12.1"), created="2026-11-24T04:00:00+00:00"))
    put(tmp_path, evidence(dataclasses.replace(SCOPE, torch="2.12.2"), created="2026-11-26T04:00:00+00:00"))
    put(tmp_path, evidence(dataclasses.replace(SCOPE, torch="2.12.3"), created="2026-11-25T04:00:00+00:00"))
    assert refusal(tmp_path).got == "made for another torch: torch 2.12.2"


def test_a_copy_under_any_other_name_is_no_certificate(tmp_path: Path) -> None:
    put(tmp_path, name="copy.json")
    assert refusal(tmp_path).got == "no certificate"


def test_one_for_an_older_port_does_not_hold(tmp_path: Path) -> None:
    put(tmp_path, evidence(port_sha256="3" * 64))
    found = refusal(tmp_path)
    assert found.got == "the port changed since: it was 333333333333"
    assert found.expected.startswith(PORT[:12])


@pytest.mark.parametrize("library", ["numpy", "transformers"])
def test_one_made_with_other_libraries_does_not_hold(tmp_path: Path, library: str) -> None:
    put(tmp_path, evidence(versions=dataclasses.replace(EVIDENCE.versions, **{library: "0.1"})))
    assert refusal(tmp_path).got == f"made with {library} 0.1"


def with_row(**changes: int) -> Evidence:
    """Evidence in which one of two cases came out otherwise."""
    return evidence(compared=(dataclasses.replace(PASSED, **changes), EVIDENCE.compared[1]))


FAULTY = {
    "lora-small@1.2.0: 1 taps over budget": with_row(over=1, within=1),
    "lora-small@1.2.0: 2 things not compared": with_row(incomplete=2),
    "lora-small@1.2.0: nothing compared": with_row(taps=0, identical=0, within=0),
    "lora-small@1.2.0: nothing compared, in no element": with_row(elements=0),
    "lora-small@1.2.0: counts that do not add up": with_row(identical=27),
    "stage text was not compared": evidence(compared=(PASSED,)),
    "stage text does not exist": evidence(stages=("lora",)),
    "nothing was compared": evidence(stages=(), compared=()),
    "judged release 1.0.0": evidence(reference=dataclasses.replace(EVIDENCE.reference, release="1.0.0")),
    "under torch 2.12.1": evidence(versions=dataclasses.replace(EVIDENCE.versions, torch="2.12.1")),
}


@pytest.mark.parametrize("told", FAULTY)
def test_what_is_no_pass_is_neither_sealed_nor_taken(tmp_path: Path, told: str) -> None:
    said = told.partition(", in")[0]
    with pytest.raises(ValueError, match=said):
        Certificate.sealing(FAULTY[told])
    put(tmp_path, FAULTY[told])
    found = refusal(tmp_path)
    assert found.got.startswith("the verdict in it is not a pass: ")
    assert said in found.got


def test_what_passed_is_sealed() -> None:
    assert Certificate.sealing(EVIDENCE) == sealed()


def test_the_command_asks_for_what_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTX_CERTIFICATES", str(tmp_path))
    with pytest.raises(InputError) as plain:
        valid_certificate(SCOPE)
    assert plain.value.next_step == f"{COMMAND} ({WITHOUT_CERTIFICATES})"
    folder = tmp_path / "of mine"
    found = refusal(folder, dataclasses.replace(SCOPE, attention="math"))
    assert f"--dtype bfloat16 --attention math --release 1.2.0 --certificates '{folder}' (" in found.next_step


def test_the_time_is_that_of_the_newest_gate_on_that_type_of_device(tmp_path: Path) -> None:
    for day, seconds in ((24, 10.0), (26, 33.4), (25, 20.0)):
        scope = dataclasses.replace(SCOPE, torch=f"2.{day}")
        put(tmp_path, evidence(scope, seconds=seconds, created=f"2026-11-{day}T04:00:00+00:00"))
    put(tmp_path, evidence(dataclasses.replace(SCOPE, device="cuda"), created="2026-11-27T04:00:00+00:00"))
    assert refusal(tmp_path).next_step.endswith("(about 33 s)")
    put(tmp_path, evidence(seconds=0.01, port_sha256="3" * 64, created="2026-11-28T04:00:00+00:00"))
    assert refusal(tmp_path).next_step.endswith("(about 1 s)")


def test_a_time_that_nobody_measured_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SECONDS, "cuda")
    with pytest.raises(InputError, match=r"--device cuda .* \(time not measured yet\)$"):
        valid_certificate(dataclasses.replace(SCOPE, device="cuda"), tmp_path)


def test_an_edited_certificate_tells_no_time(tmp_path: Path) -> None:
    path = put(tmp_path, evidence(seconds=33.0))
    path.write_text(path.read_text().replace("33.0", "7.0"))
    assert refusal(tmp_path).next_step.endswith(f"({WITHOUT_CERTIFICATES})")


def test_the_default_folder_is_the_users_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("LTX_CERTIFICATES", raising=False)
    for state in (None, "", "relative"):
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        if state is not None:
            monkeypatch.setenv("XDG_STATE_HOME", state)
        assert default_folder() == home / ".local/state/ltx-parity/certificates"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_folder() == tmp_path / "state/ltx-parity/certificates"
    monkeypatch.setenv("LTX_CERTIFICATES", "here")
    assert default_folder() == Path("here")


@pytest.mark.parametrize(
    ("device", "dtype", "told"),
    [("mps", torch.bfloat16, "device: 'mps'"), ("cpu", torch.float16, "dtype: 'float16'")],
)
def test_no_scope_is_made_of_what_no_gate_judges(device: str, dtype: torch.dtype, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Scope.of(torch.device(device), dtype, AttentionBackend.AUTO, RELEASE_1_0_0)


def test_every_scope_has_a_file_of_its_own() -> None:
    names = [
        Scope.of(torch.device(device), dtype, attention, release).file_name
        for device in ("cpu", "cuda")
        for dtype in (torch.bfloat16, torch.float32)
        for attention in AttentionBackend
        for release in RELEASES.values()
    ]
    assert len(set(names)) == len(names) == 40


def test_a_card_of_the_same_type_has_the_same_scope() -> None:
    scopes = {Scope.of(torch.device(f"cuda:{i}"), torch.float32, AttentionBackend.AUTO, RELEASE_1_0_0) for i in (0, 1)}
    assert len(scopes) == 1


def test_the_ports_hash_is_that_of_its_files(tmp_path: Path) -> None:
    copy = tmp_path / "port"
    shutil.copytree(PORT_FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert port_sha256(copy) == PORT
    (copy / "notes.txt").write_text("no code")
    assert port_sha256(copy) == PORT


def test_any_change_of_the_port_changes_its_hash(tmp_path: Path) -> None:
    """One byte, a name, a file more, a file less, a line moved from one file's end to the next one's start."""

    ports = (
        {"a": "x\ny\n", "b": "z\n"},
        {"a": "x\ny\n", "b": "Z\n"},
        {"a": "x\ny\n", "c": "z\n"},
        {"a": "x\ny\n", "b/c": "z\n"},
        {"a": "x\ny\n", "b": "z\n", "c": ""},
        {"a": "x\ny\n"},
        {"a": "x\n", "b": "y\nz\n"},
        {"a": "z\n", "b": "x\ny\n"},
        {"a": "x\ny\nb.pyz\n"},
    )
    for number, files in enumerate(ports):
        for name, content in files.items():
            path = tmp_path / str(number) / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    assert len({port_sha256(tmp_path / str(number)) for number in range(len(ports))}) == len(ports)
