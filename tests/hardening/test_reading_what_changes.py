"""A file that changes while it is read is refused, or read as it was; never a mixture."""

import os
from pathlib import Path

import pytest
import torch
from recorders import KINDS, manifest

from parity.errors import BadInputError
from parity.metrics import compare
from parity.store import Dump, DumpWriter

FORMATS = ("dump.h5", "dump.safetensors")


def recorded(path: Path, start: int = 0) -> Path:
    with DumpWriter(path) as writer:
        writer.set_manifest(manifest(start))
        writer.write("x", torch.arange(start, start + 200_000, dtype=torch.float32))
    # Older than anything that changes it, whatever the clock of files ticks in.
    os.utime(path, (1, 1))
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_a_dump_that_is_written_into_while_it_is_read_is_refused(tmp_path: Path, name: str) -> None:
    path = recorded(tmp_path / name)
    with Dump.open(path) as dump:
        source = dump.source("x")
        source.read(0, 10)
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(b"\x55" * 4)
        with pytest.raises(BadInputError, match="changed while it was read"):
            source.read(10, 20)
        with pytest.raises(BadInputError, match="changed while it was read"):
            compare(source, torch.arange(200_000, dtype=torch.float32))


@pytest.mark.parametrize("name", FORMATS)
def test_a_dump_that_is_cut_short_while_it_is_read_is_refused(tmp_path: Path, name: str) -> None:
    path = recorded(tmp_path / name)
    with Dump.open(path) as dump:
        source = dump.source("x")
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(BadInputError) as refusal:
            source.read(0, 200_000)
        assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_dump_that_another_takes_the_name_of_is_read_to_its_end(tmp_path: Path, name: str) -> None:
    path = recorded(tmp_path / name)
    with Dump.open(path) as dump:
        source = dump.source("x")
        recorded(path, 7)
        assert torch.equal(source.read(0, 200_000), torch.arange(200_000, dtype=torch.float32))
    with Dump.open(path) as dump:
        assert dump.read("x")[0] == 7


@pytest.mark.parametrize("name", ["statistics.json", "run.json"])
def test_a_document_is_read_at_once_and_never_in_part(tmp_path: Path, name: str) -> None:
    write, read = KINDS[name]
    write(tmp_path / name, 1)
    raw = (tmp_path / name).read_bytes()
    for size in range(0, len(raw) - 1, 1 + len(raw) // 60):
        (tmp_path / name).write_bytes(raw[:size])
        with pytest.raises(BadInputError):
            read(tmp_path / name)
