import os
import random
import time

import pytest
import torch
from store_cases import (
    FORMATS,
    contents,
    manifest,
    publish_without_end,
    record,
    started,
    write_without_end,
)

from parity.errors import BadInputError, IncompleteError
from parity.store import Dump, DumpWriter, WriteLimits
from parity.store.hdf5_write import Hdf5Sink
from parity.store.safetensors_write import SafetensorsSink

DEAD_PID = 2**22 + 1  # above what Linux hands out


def listed(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_exception_leaves_the_previous_dump_and_no_litter(tmp_path, suffix):
    path = record(tmp_path / f"dump{suffix}", {"old": torch.ones(3)})
    before = path.read_bytes()
    with pytest.raises(BadInputError, match="complex64"):
        record(path, {"new": torch.zeros(1000), "odd": torch.zeros(2, dtype=torch.complex64)})
    assert path.read_bytes() == before
    assert listed(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_dump_without_a_manifest_is_not_published(tmp_path, suffix):
    with pytest.raises(BadInputError, match="no manifest"), DumpWriter(tmp_path / f"dump{suffix}") as writer:
        writer.write("x", torch.zeros(2))
    assert listed(tmp_path) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_name_is_used_once(tmp_path, suffix):
    with DumpWriter(tmp_path / f"dump{suffix}", WriteLimits(max_bytes=4)) as writer:
        writer.set_manifest(manifest())
        assert writer.write("x", torch.zeros(1))
        assert not writer.write("big", torch.zeros(9))
        for name in ("x", "big"):
            with pytest.raises(BadInputError, match="twice"):
                writer.write(name, torch.zeros(1))


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_the_byte_limit_leaves_out_is_listed_and_repeats_cost_nothing(tmp_path, suffix):
    path = tmp_path / f"dump{suffix}"
    block = torch.arange(10, dtype=torch.float32)
    with DumpWriter(path, WriteLimits(max_bytes=50)) as writer:
        writer.set_manifest(manifest())
        kept = {name: writer.write(name, block) for name in ("a", "b")}
        kept["c"] = writer.write("c", block + 1)
        kept["d"] = writer.write("d", torch.tensor([1, 2], dtype=torch.int32))
    assert kept == {"a": True, "b": True, "c": False, "d": True}
    with Dump.open(path) as dump:
        assert dump.names == ("a", "b", "d")
        assert dump.manifest.tap_count == 3
        assert [(tap.name, "byte limit" in tap.reason) for tap in dump.manifest.dropped] == [("c", True)]
        with pytest.raises(IncompleteError, match="byte limit"):
            dump.read("c")


def test_a_limit_that_is_no_count_is_refused():
    for wrong in (-1, 1.5, True, "8"):
        with pytest.raises(BadInputError, match="max_bytes"):
            WriteLimits(max_bytes=wrong)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_writer_that_is_not_open_writes_nothing(tmp_path, suffix):
    writer = DumpWriter(tmp_path / f"dump{suffix}")
    with pytest.raises(BadInputError, match="not entered"):
        writer.write("x", torch.zeros(1))
    with writer:
        writer.set_manifest(manifest())
    with pytest.raises(BadInputError, match="closed"):
        writer.write("x", torch.zeros(1))
    with pytest.raises(BadInputError, match="twice"):
        writer.__enter__()


@pytest.mark.parametrize("odd", [torch.zeros(2, dtype=torch.complex64), [1.0], torch.zeros(2, device="meta")])
@pytest.mark.parametrize("suffix", FORMATS)
def test_what_has_no_stored_form_is_refused(tmp_path, suffix, odd):
    with DumpWriter(tmp_path / f"dump{suffix}") as writer:
        writer.set_manifest(manifest())
        with pytest.raises(BadInputError, match="tensor"):
            writer.write("x", odd)
    assert contents(tmp_path / f"dump{suffix}")[1] == {}


@pytest.mark.parametrize(("suffix", "sink"), [(".h5", Hdf5Sink), (".safetensors", SafetensorsSink)])
def test_a_fault_while_storing_cannot_be_swallowed(tmp_path, monkeypatch, suffix, sink):
    path = record(tmp_path / f"dump{suffix}", {"old": torch.ones(3)})
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    writer = DumpWriter(path)
    writer.__enter__()
    writer.set_manifest(manifest())
    writer.write("x", torch.zeros(1))
    monkeypatch.setattr(sink, "put", full)
    with pytest.raises(BadInputError, match="No space"):
        writer.write("y", torch.ones(1))
    monkeypatch.undo()
    with pytest.raises(BadInputError, match="failed"):
        writer.write("z", torch.ones(1))
    with pytest.raises(BadInputError, match="failed"):
        writer.__exit__(None, None, None)
    assert path.read_bytes() == before
    assert listed(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_target_appears_only_after_its_bytes_reached_the_disk(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"dump{suffix}"
    steps = []
    fsync, move = os.fsync, os.replace

    def synced(descriptor):
        steps.append((os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")), path.exists()))
        fsync(descriptor)

    def moved(source, target):
        steps.append(("replace", os.path.exists(target)))
        move(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    record(path, {"x": torch.zeros(3)})
    assert steps == [
        (f".{path.name}.partial-{os.getpid()}", False),
        ("replace", False),
        (tmp_path.name, True),
    ]


@pytest.mark.parametrize("suffix", FORMATS)
def test_of_two_writers_the_second_is_refused_in_one_line_and_the_first_finishes(tmp_path, suffix):
    path = tmp_path / f"dump{suffix}"
    with DumpWriter(path) as first:
        first.set_manifest(manifest())
        first.write("x", torch.ones(2))
        with pytest.raises(BadInputError, match=f"pid {os.getpid()}") as caught:
            DumpWriter(path).__enter__()
        assert len(str(caught.value).splitlines()) == 1
        record(tmp_path / f"other{suffix}", {"y": torch.zeros(1)})
    assert list(contents(path)[1]) == ["x"]
    assert listed(tmp_path) == sorted([f"dump{suffix}", f"other{suffix}"])


def test_a_writer_of_another_process_is_named(tmp_path):
    path = tmp_path / "dump.h5"
    process = started(write_without_end, path)
    try:
        with pytest.raises(BadInputError, match=f"pid {process.pid}"):
            DumpWriter(path).__enter__()
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_dead_writers_left_is_taken_over_and_what_others_hold_is_not_touched(tmp_path, suffix):
    path = tmp_path / f"dump{suffix}"
    stale = [
        f".{path.name}.partial-{DEAD_PID}",
        f".{path.name}.partial-{DEAD_PID}-spool",
        f".{path.name}.lock",
    ]
    for name in stale:
        (tmp_path / name).write_text(f"pid {DEAD_PID}\n")
    kept = [f".{path.name}.partial-1", f".other{suffix}.partial-{DEAD_PID}", f".{path.name}.partial-x"]
    for name in kept:
        (tmp_path / name).write_text("not ours")
    record(path, {"x": torch.ones(2)})
    assert listed(tmp_path) == sorted([*kept, path.name])


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("previous", [False, True])
def test_a_killed_writer_leaves_the_target_as_it_was(tmp_path, suffix, previous):
    path = tmp_path / f"dump{suffix}"
    moments = random.Random(f"{suffix}{previous}")
    if previous:
        record(path, {"old": torch.ones(3)})
    before = path.read_bytes() if previous else None
    for _ in range(2):
        process = started(write_without_end, path)
        time.sleep(moments.uniform(0, 0.08))
        process.kill()
        process.join()
        assert (path.read_bytes() if path.exists() else None) == before
        left = [entry for entry in tmp_path.iterdir() if ".partial-" in entry.name]
        assert left
        for partial in left:
            with pytest.raises(BadInputError):
                Dump.open(partial)
            disguised = tmp_path / f"renamed{suffix}"
            disguised.write_bytes(partial.read_bytes())
            with pytest.raises(BadInputError):
                Dump.open(disguised)
            disguised.unlink()
    record(path, {"new": torch.zeros(3)})
    assert listed(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_writer_killed_around_publication_leaves_some_whole_dump(tmp_path, suffix):
    path = tmp_path / f"dump{suffix}"
    moments = random.Random(suffix)
    for _ in range(3):
        process = started(publish_without_end, path)
        time.sleep(moments.uniform(0, 0.08))
        process.kill()
        process.join()
        found, read = contents(path)
        expected = {f"tap.{k}": torch.full((512,), found.seed * 100 + k) for k in range(5)}
        assert {name: value[2] for name, value in read.items()} == {
            name: tensor.numpy().tobytes() for name, tensor in expected.items()
        }


@pytest.mark.parametrize("name", ["dump", "dump.pt", "dump.h5.tmp", "dump.H5", "no/such.h5", "folder.h5"])
def test_a_target_that_cannot_be_a_dump_is_refused_at_once(tmp_path, name):
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(BadInputError) as caught:
        DumpWriter(tmp_path / name).__enter__()
    assert len(str(caught.value).splitlines()) == 1
    assert listed(tmp_path) == ["folder.h5"]
