import os

import pytest
import torch
from store_cases import FORMATS, TENSORS, contents, record, refused

from parity.errors import BadInputError
from parity.store import Dump


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_dump_cut_short_anywhere_never_opens(tmp_path, suffix):
    whole = record(tmp_path / f"dump{suffix}", TENSORS).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for size in [*range(0, len(whole), 61), *range(len(whole) - 40, len(whole))]:
        cut.write_bytes(whole[:size])
        with pytest.raises(BadInputError):
            Dump.open(cut)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ["a", "b"])
def test_a_flipped_bit_of_a_tensor_is_caught_by_every_way_of_reading(tmp_path, suffix, name):
    path = record(tmp_path / f"dump{suffix}", TENSORS)
    raw = bytearray(path.read_bytes())
    content = TENSORS[name].contiguous().view(torch.uint8).numpy().tobytes()
    assert raw.count(content) == 1
    raw[raw.index(content) + len(content) // 2] ^= 4
    path.write_bytes(raw)
    with Dump.open(path) as dump:
        for ask in (dump.verify, lambda: dump.read(name), lambda: dump.source(name)):
            with pytest.raises(BadInputError, match="does not match its hash"):
                ask()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_flipped_byte_anywhere_is_caught_or_changes_nothing(tmp_path, suffix):
    path = record(tmp_path / f"dump{suffix}", TENSORS)
    whole, expected = path.read_bytes(), contents(path)
    flipped = tmp_path / f"flipped{suffix}"
    caught = 0
    for position in range(0, len(whole), 1 + len(whole) // 250):
        raw = bytearray(whole)
        raw[position] ^= 0x11
        flipped.write_bytes(raw)
        try:
            found = contents(flipped)
        except BadInputError:
            caught += 1
        else:
            assert found == expected, f"byte {position} changed what is read"
    assert caught > 50


def test_verify_looks_again_at_what_was_read_before(tmp_path):
    path = record(tmp_path / "dump.safetensors", TENSORS)
    with Dump.open(path) as dump:
        dump.verify()
        before = path.stat()
        with path.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x77")
        # As a change does that comes within one tick of the clock of files.
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(BadInputError, match="does not match"):
            dump.verify()
        with pytest.raises(BadInputError, match="does not match"):
            dump.source("b")


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_no_dump_at_all_is_refused_in_one_line(tmp_path, suffix):
    target = tmp_path / f"dump{suffix}"
    refused(target, "no such file")
    target.mkdir()
    refused(target, "a directory")
    target.rmdir()
    for content in (b"", b"\x00", b"PK\x03\x04 not a dump", b"\x80\x04K\x01.", b"\xff" * 4096, b"{}" * 40):
        target.write_bytes(content)
        refused(target)


def test_a_dump_under_the_other_suffix_is_refused(tmp_path):
    for suffix, other in (FORMATS, FORMATS[::-1]):
        path = record(tmp_path / f"dump{suffix}", TENSORS)
        refused(path.rename(tmp_path / f"swapped{other}"))
        refused((tmp_path / f"swapped{other}").rename(tmp_path / "dump.pt"), "suffix")
