"""The suite that needs no official code: recorded dumps, current and unchanged."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from parity.binding import RunRequest
from parity.errors import BadInputError, ExitCode, IncompleteError
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.recording import open_recording, recording_name
from parity.ltx23.stage import Case
from parity.ltx23.stages import CASES
from parity.ltx23.world import World
from parity.store import Dump
from reference_dumps.lock import LOCK_NAME, locked, read_lock

SMALL = CASES["small"]
RELEASES = {"1.0.0": "9e8a28e", "1.2.0": "2362161"}
SKETCHES = {"1.0.0/lockstep-121x512x768.sketch.safetensors"}
RECORDED = [case for case in CASES.values() if case.recorded]


@pytest.mark.parametrize("release", RELEASES)
def test_the_port_is_within_the_recorded_budget(release: str) -> None:
    result = BINDING.run(RunRequest(reference="recorded", release=release))
    assert {case.suite for case in result.cases} == {"recorded"}
    assert {case.case for case in result.cases} == {f"{case.id}@{release}" for case in RECORDED}
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence or result.incomplete


def test_a_planted_fault_is_over_the_recorded_budget() -> None:
    for fault, tap in (("A1", "gated"), ("R1", "grid"), ("D4", "timestep")):
        request = RunRequest(reference="recorded", release="1.0.0", cases=("small",), fault=fault, dtypes=("bfloat16",))
        result = BINDING.run(request)
        assert result.first_divergence is not None
        assert result.first_divergence.place.tap.endswith(tap)


def test_every_recorded_case_is_in_the_lock_and_nothing_else_is() -> None:
    recorded = {
        recording_name(release, case, dtype) for release in RELEASES for case in RECORDED for dtype in case.dtypes
    }
    assert set(read_lock(RECORDINGS)) == recorded | SKETCHES
    files = {str(path.relative_to(RECORDINGS)) for path in RECORDINGS.rglob("*.*") if path.is_file()}
    assert files == recorded | SKETCHES | {LOCK_NAME}


def test_every_recording_says_where_it_comes_from() -> None:
    for name in read_lock(RECORDINGS).keys() - SKETCHES:
        with Dump.open(RECORDINGS / name) as dump:
            dump.verify()
            manifest, release = dump.manifest, name.partition("/")[0]
            assert (manifest.producer, manifest.release, manifest.commit) == ("official", release, RELEASES[release])
            assert manifest.dropped == ()
            assert manifest.tap_count == len(dump.names)


def test_a_recording_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    shutil.copytree(RECORDINGS, folder)
    name = recording_name("1.0.0", SMALL, torch.bfloat16)
    (folder / name).write_bytes((folder / name).read_bytes() + b"\0")
    with pytest.raises(IncompleteError, match="hash is not the recorded one"):
        locked(folder, name)


def test_a_recording_that_is_gone_is_refused(tmp_path: Path) -> None:
    shutil.copy(RECORDINGS / LOCK_NAME, tmp_path / LOCK_NAME)
    with pytest.raises(IncompleteError, match="no such file"):
        locked(tmp_path, recording_name("1.0.0", SMALL, torch.bfloat16))


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"schema": "other", "sha256": {}}), "[" * 100_000])
def test_an_unreadable_lock_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_NAME).write_text(text)
    with pytest.raises(BadInputError) as refusal:
        read_lock(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_stale_recording_is_refused_naming_what_changed() -> None:
    """The same file, for a case whose weights are no longer those that it was recorded from."""
    moved = Case(SMALL.id, SMALL.guards, SMALL.build, layers=2, config_edits={"transformer.norm_eps": 1e-5})
    with World() as world, pytest.raises(IncompleteError, match="checkpoint_sha256"):
        open_recording(RECORDINGS, moved, torch.bfloat16, world)
