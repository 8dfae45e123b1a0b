"""The suite that needs no official code: recorded dumps, current and unchanged."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from parity.binding import RunRequest
from parity.errors import BadInputError, ExitCode, IncompleteError
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.cases import TRANSFORMER_CASES, Case
from parity.ltx23.recording import open_recording, recording_name
from parity.ltx23.world import World
from parity.store import Dump
from reference_dumps.lock import LOCK_NAME, locked, read_lock

SMALL = TRANSFORMER_CASES["small"]


def test_the_port_is_within_the_recorded_budget() -> None:
    result = BINDING.run(RunRequest(reference="recorded"))
    assert {case.suite for case in result.cases} == {"recorded"}
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence or result.incomplete
    assert len(result.taps) == 2 * 3 * len(BINDING.taps("small"))


def test_a_planted_fault_is_over_the_recorded_budget() -> None:
    for fault, tap in (("A1", "gated"), ("R1", "grid"), ("D4", "timestep")):
        result = BINDING.run(RunRequest(reference="recorded", fault=fault, dtypes=("bfloat16",)))
        assert result.first_divergence is not None
        assert result.first_divergence.place.tap.endswith(tap)


def test_every_recorded_case_is_in_the_lock_and_nothing_else_is() -> None:
    recorded = {recording_name(c, d) for c in TRANSFORMER_CASES.values() if c.recorded for d in c.dtypes}
    assert set(read_lock(RECORDINGS)) == recorded
    assert {str(p.relative_to(RECORDINGS)) for p in RECORDINGS.rglob("*.h5")} == recorded


def test_every_recording_says_where_it_comes_from() -> None:
    for name in read_lock(RECORDINGS):
        with Dump.open(RECORDINGS / name) as dump:
            dump.verify()
            manifest = dump.manifest
            assert (manifest.producer, manifest.release, manifest.commit) == ("official", "1.0.0", "9e8a28e")
            assert manifest.dropped == ()
            assert manifest.tap_count == len(dump.names) == len(BINDING.taps(manifest.case))


def test_a_recording_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    shutil.copytree(RECORDINGS, folder)
    name = recording_name(SMALL, torch.bfloat16)
    (folder / name).write_bytes((folder / name).read_bytes() + b"\0")
    with pytest.raises(IncompleteError, match="hash is not the recorded one"):
        locked(folder, name)


def test_a_recording_that_is_gone_is_refused(tmp_path: Path) -> None:
    shutil.copy(RECORDINGS / LOCK_NAME, tmp_path / LOCK_NAME)
    with pytest.raises(IncompleteError, match="no such file"):
        locked(tmp_path, recording_name(SMALL, torch.bfloat16))


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"schema": "other", "sha256": {}}), "[" * 100_000])
def test_an_unreadable_lock_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_NAME).write_text(text)
    with pytest.raises(BadInputError) as refusal:
        read_lock(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_stale_recording_is_refused_naming_what_changed() -> None:
    """The same file, for a case whose weights are no longer those that it was recorded from."""
    moved = Case(
        SMALL.id, SMALL.guards, SMALL.build, layers=2, geometry=SMALL.geometry, config_edits={"norm_eps": 1e-5}
    )
    with World() as world, pytest.raises(IncompleteError, match="checkpoint_sha256"):
        open_recording(RECORDINGS, moved, torch.bfloat16, world)
