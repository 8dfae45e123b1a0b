"""A full disk, a read-only folder, a kill at any moment, two writers: nothing is lost, no part passes for a whole."""

import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from recorders import (
    FORKSERVER,
    KINDS,
    NOBODY,
    all_told,
    started,
    write_against_another,
    write_on_and_on,
    write_with_limits,
)

LOCKED = ("dump.h5", "dump.safetensors", "statistics.json")


def one_answer(*arguments: object) -> str | None:
    process, connection = started(write_with_limits, *arguments)
    assert connection.poll(60), "the process told nothing"
    told = connection.recv()
    process.join()
    assert process.exitcode == 0
    return told


@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_leaves_what_was_there_and_no_litter(tmp_path: Path, name: str) -> None:
    write, read = KINDS[name]
    path = tmp_path / name
    write(path, 1)
    whole = path.stat().st_size
    for share in (0.0, 0.5, 0.999):
        told = one_answer(path, int(whole * share), None)
        assert told is not None, f"{share} of a file passed for the whole"
        assert len(told.splitlines()) == 1
        assert read(path) == 1
        assert os.listdir(tmp_path) == [name]
    assert one_answer(path, whole + 4096, None) is None
    assert read(path) == 2


@pytest.mark.parametrize("name", KINDS)
def test_a_read_only_folder_is_refused_in_one_line_and_keeps_what_it_has(name: str) -> None:
    # Not below pytest's own folder, which another user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="read-only-"))
    try:
        write, read = KINDS[name]
        write(folder / name, 1)
        folder.chmod(0o555)
        told = one_answer(folder / name, None, NOBODY if os.geteuid() == 0 else None)
        assert told is not None
        assert len(told.splitlines()) == 1
        assert "ermission denied" in told
        assert read(folder / name) == 1
        assert os.listdir(folder) == [name]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_whatever_was_recorded_is_there_after_a_kill_at_any_of_twenty_moments(tmp_path: Path) -> None:
    moments = random.Random(20)
    for turn in range(20):
        name = list(KINDS)[turn % len(KINDS)]
        folder = tmp_path / str(turn)
        folder.mkdir()
        process, connection = started(write_on_and_on, folder / name)
        assert connection.poll(60), "the writer never began"
        time.sleep(moments.uniform(0, 0.06))
        process.kill()
        process.join()
        told = all_told(connection)
        # What was told is there; what was under way when it ended may be there whole.
        assert KINDS[name][1](folder / name) in (told[-1], told[-1] + 1), name
        write, read = KINDS[name]
        write(folder / name, 123)
        assert read(folder / name) == 123


@pytest.mark.parametrize("name", LOCKED)
def test_of_two_recorders_on_one_target_each_is_refused_or_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    running = [started(write_against_another, path, 25) for _ in range(2)]
    told = [all_told(connection) for _, connection in running]
    for process, _ in running:
        process.join()
    assert [process.exitcode for process, _ in running] == [0, 0]
    refusals = [line for lines in told for line in lines if isinstance(line, str)]
    assert all("one writer at a time" in line and len(line.splitlines()) == 1 for line in refusals)
    numbers = [[line for line in lines if isinstance(line, int)] for lines in told]
    assert any(numbers)
    assert KINDS[name][1](path) in {found[-1] for found in numbers if found}
    assert os.listdir(tmp_path) == [name]


def test_processes_come_from_a_server_that_has_imported_all() -> None:
    # Else each of the kills above would come while its process still imports.
    assert FORKSERVER.get_start_method() == "forkserver"
