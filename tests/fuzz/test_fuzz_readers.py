"""Every reader of files, given mutated ones; and the fuzzer itself, given readers with faults."""

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz import content, hdf5_checksum, pool, readers
from fuzz.case import Outcome, Reader
from fuzz.json_text import mutated, parsed, written

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_readers.py"


def test_every_reader_refuses_mutated_files_in_one_line_or_reads_what_they_say() -> None:
    words = [sys.executable, str(TOOL), "--count", "400", "--seed", "7"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, errors="replace")
    assert done.returncode == 0, done.stdout
    rows = [line for line in done.stdout.splitlines() if line.startswith(tuple(readers.READERS))]
    assert len(rows) == len(readers.READERS)
    # A reader that refused nothing, or all of them one that reads nothing, was not fuzzed.
    assert done.stdout.splitlines()[-1].split()[1] == "400"


def faulty(read: Any, sealed: bool = False) -> Reader:
    def seeds(folder: Path) -> list[Path]:
        (folder / "x.json").write_text('{"a": 1, "b": [2, 3]}')
        return [folder / "x.json"]

    return Reader("faulty", seeds, content.ANY_BYTES, read, lambda raw, found: True, sealed=sealed)


def outcomes(reader: Reader, monkeypatch: pytest.MonkeyPatch, count: int = 30) -> set[Outcome]:
    monkeypatch.setitem(readers.READERS, "faulty", reader)
    tally = pool.fuzzed(["faulty"], [count], 1, 2)["faulty"]
    assert tally.counts.total() == count
    return {found.outcome for found in tally.findings}


WHOLE = b'{"a": 1, "b": [2, 3]}'


def test_the_fuzzer_sees_a_reader_that_raises_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    assert outcomes(faulty(lambda path: json.loads(path.read_bytes())), monkeypatch) == {Outcome.CRASH}


def test_the_fuzzer_sees_a_process_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> int:
        return 1 if path.read_bytes() == WHOLE else os._exit(9)

    assert outcomes(faulty(read), monkeypatch, 6) == {Outcome.CRASH}


def test_the_fuzzer_sees_a_reader_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SECONDS", 0.5)
    monkeypatch.setattr(pool, "_START_SECONDS", 0.5)

    def read(path: Path) -> int:
        if path.read_bytes() != WHOLE:
            time.sleep(60)
        return 1

    assert outcomes(faulty(read), monkeypatch, 2) == {Outcome.HANG}


def test_the_fuzzer_sees_a_reader_that_takes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> int:
        return 1 if path.read_bytes() == WHOLE else len(bytearray(b"x") * (400 << 20))

    assert outcomes(faulty(read), monkeypatch, 4) == {Outcome.MEMORY}


def test_the_fuzzer_sees_another_content_under_an_old_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcomes(faulty(lambda path: path.read_bytes(), sealed=True), monkeypatch) == {Outcome.WRONG}


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    reader = readers.READERS["local.json"]
    seeds = pool.planted(reader, tmp_path)
    inputs = [pool.case(reader, seeds, 3, number)[1] for number in range(50)]
    assert inputs == [pool.case(reader, seeds, 3, number)[1] for number in range(50)]
    assert len(set(inputs)) > 40


def test_json_that_nothing_changed_is_written_as_it_was() -> None:
    text = '{"a": [1, 2.5, "x", null, true, {}], "a": {"b": []}}'
    assert written(parsed(text)) == text
    assert len({mutated(Random(number), text) for number in range(60)}) > 40


def test_checksums_of_hdf5_are_those_of_the_library(tmp_path: Path) -> None:
    raw = readers.seeds.dump(tmp_path / "x.h5").read_bytes()
    found = hdf5_checksum.blocks(raw)
    assert len(found) > 5
    for begin, end in found:
        assert hdf5_checksum.lookup3(raw[begin:end]) == int.from_bytes(raw[end : end + 4], "little")
