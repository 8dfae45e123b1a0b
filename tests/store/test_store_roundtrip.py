import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from store_cases import DTYPES, FORMATS, bits, contents, manifest, record, tensors

from parity.errors import BadInputError, IncompleteError
from parity.store import Dump, DumpWriter, content_hash, convert

SHARED_FOLDER = [HealthCheck.function_scoped_fixture]
HOSTILE_NAMES = [
    "../x",
    "",
    "a/b",
    "/",
    ".",
    "blobs/../manifest",
    "x" * 10_000,
    "ü → 😀",
    "a\nb",
    "nul\0",
    "__metadata__",
]


@pytest.mark.parametrize("suffix", FORMATS)
@given(drawn=st.lists(tensors(), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=SHARED_FOLDER)
def test_what_is_read_has_the_bits_dtype_and_shape_that_were_written(tmp_path, suffix, drawn):
    named = {f"tap.{position}": tensor for position, tensor in enumerate(drawn)}
    path = record(tmp_path / f"dump{suffix}", named)
    found, read = contents(path)
    assert found.tap_count == len(named)
    assert read == {name: bits(tensor) for name, tensor in named.items()}


@pytest.mark.parametrize("suffix", FORMATS)
@given(tensor=tensors(), data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=SHARED_FOLDER)
def test_slices_equal_the_whole(tmp_path, suffix, tensor, data):
    path = record(tmp_path / f"dump{suffix}", {"x": tensor})
    stop = data.draw(st.integers(0, tensor.numel()))
    start = data.draw(st.integers(0, stop))
    with Dump.open(path) as dump:
        source = dump.source("x")
        piece = source.read(start, stop)
        assert (source.shape, source.dtype) == (tuple(tensor.shape), tensor.dtype)
        assert bits(piece) == bits(tensor.contiguous().reshape(-1)[start:stop])


@pytest.mark.parametrize("suffix", FORMATS)
def test_slices_cross_chunks_and_never_reach_outside(tmp_path, suffix):
    whole = torch.arange(700_001, dtype=torch.int32)
    with Dump.open(record(tmp_path / f"dump{suffix}", {"x": whole})) as dump:
        source = dump.source("x")
        for start, stop in ((0, 700_001), (262_143, 262_146), (524_000, 700_001), (5, 5), (700_001, 700_001)):
            assert torch.equal(source.read(start, stop), whole[start:stop])
        for start, stop in ((-1, 3), (0, 700_002), (5, 4)):
            with pytest.raises(BadInputError, match="slice"):
                source.read(start, stop)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_bfloat16_pattern_survives_bit_for_bit(tmp_path, suffix):
    patterns = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    path = record(tmp_path / f"dump{suffix}", {"all": patterns.view(torch.bfloat16)})
    with Dump.open(path) as dump:
        read = dump.read("all")
    assert read.dtype is torch.bfloat16
    assert torch.equal(read.view(torch.int16), patterns)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("dtype", "whole"), [(torch.float32, torch.int32), (torch.float64, torch.int64)])
def test_signalling_nans_and_signed_zeros_survive(tmp_path, suffix, dtype, whole):
    sign = -(2 ** (dtype.itemsize * 8 - 1))
    exponent = torch.tensor([float("inf")], dtype=dtype).view(whole).item()
    patterns = torch.tensor([0, sign, exponent, exponent + 1, sign + exponent + 5, 1], dtype=whole)
    with Dump.open(record(tmp_path / f"dump{suffix}", {"x": patterns.view(dtype)})) as dump:
        assert torch.equal(dump.read("x").view(whole), patterns)


@given(tensors(), tensors())
@settings(max_examples=150, deadline=None)
def test_content_hashes_agree_exactly_when_dtype_shape_and_bits_do(first, second):
    assert (content_hash(first) == content_hash(second)) == (bits(first) == bits(second))


@given(tensors())
@settings(max_examples=60, deadline=None)
def test_the_content_hash_sees_values_and_not_strides(tensor):
    assert content_hash(tensor) == content_hash(tensor.clone(memory_format=torch.contiguous_format))
    assert content_hash(tensor) != content_hash(tensor.unsqueeze(0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_content_hash_knows_dtypes_apart_on_equal_bytes(dtype):
    zeros = torch.zeros(8, dtype=torch.uint8)
    others = {content_hash(zeros.view(other)) for other in DTYPES if other is not dtype}
    assert content_hash(zeros.view(dtype)) not in others


def test_a_tensor_without_plain_bytes_has_no_content_hash():
    for odd in (torch.empty(3, device="meta"), torch.eye(3).to_sparse()):
        with pytest.raises(BadInputError, match="dense"):
            content_hash(odd)


@pytest.mark.parametrize("suffix", FORMATS)
def test_one_content_under_three_names_is_stored_once(tmp_path, suffix):
    block = torch.rand(50_000)
    once = record(tmp_path / f"once{suffix}", {"a": block}).stat().st_size
    thrice_path = record(tmp_path / f"thrice{suffix}", {"a": block, "b": block.clone(), "c": block})
    assert thrice_path.stat().st_size - once < 4096
    with Dump.open(thrice_path) as dump:
        assert len({dump.entry(name).sha256 for name in dump.names}) == 1
        assert all(torch.equal(dump.read(name), block) for name in dump.names)


@pytest.mark.parametrize("suffix", FORMATS)
def test_hostile_names_are_data_only(tmp_path, suffix):
    inside = tmp_path / "inside"
    inside.mkdir()
    named = {name: torch.tensor(position) for position, name in enumerate(HOSTILE_NAMES)}
    path = record(inside / f"dump{suffix}", named)
    with Dump.open(path) as dump:
        assert list(dump.names) == HOSTILE_NAMES
        assert [dump.read(name).item() for name in dump.names] == list(range(len(HOSTILE_NAMES)))
    assert [entry.name for entry in inside.iterdir()] == [path.name]
    assert list(tmp_path.iterdir()) == [inside]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_name_that_two_encodings_share_is_refused(tmp_path, suffix):
    with pytest.raises(BadInputError, match="UTF-8"):
        record(tmp_path / f"dump{suffix}", {"\ud83d\ude00": torch.zeros(1)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", FORMATS)
def test_entries_describe_the_content_and_a_missing_name_is_incomplete(tmp_path, suffix):
    tensor = torch.zeros(2, 3, dtype=torch.bfloat16)
    with Dump.open(record(tmp_path / f"dump{suffix}", {"x": tensor})) as dump:
        entry = dump.entry("x")
        assert (entry.shape, entry.dtype, entry.nbytes) == ((2, 3), torch.bfloat16, 12)
        assert entry.sha256 == content_hash(tensor)
        for ask in (dump.entry, dump.read, dump.source):
            with pytest.raises(IncompleteError, match="no tensor named 'y'"):
                ask("y")


@pytest.mark.parametrize(("src", "dst"), [FORMATS, FORMATS[::-1], (".h5", ".h5")])
@given(drawn=st.lists(tensors(), max_size=3))
@settings(max_examples=15, deadline=None, suppress_health_check=SHARED_FOLDER)
def test_converting_keeps_names_bits_and_manifest(tmp_path, src, dst, drawn):
    named = {f"tap/{position}": tensor for position, tensor in enumerate(drawn)}
    source = record(tmp_path / f"from{src}", named, extra={"note": "kept"})
    convert(source, tmp_path / f"to{dst}")
    assert contents(tmp_path / f"to{dst}") == contents(source)


def test_compressed_dumps_are_smaller_and_equal(tmp_path):
    plain = record(tmp_path / "plain.h5", {"x": torch.zeros(400_000), "e": torch.zeros(0, 2)})
    convert(plain, tmp_path / "small.h5", compression=4)
    assert (tmp_path / "small.h5").stat().st_size * 10 < plain.stat().st_size
    assert contents(tmp_path / "small.h5") == contents(plain)
    for target, level in (("x.safetensors", 4), ("x.h5", 10), ("x.h5", -1)):
        with pytest.raises(BadInputError, match="compression"):
            convert(plain, tmp_path / target, compression=level)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["plain.h5", "small.h5"]


@given(drawn=st.lists(tensors(), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=SHARED_FOLDER)
def test_the_official_safetensors_reader_agrees_whole_and_in_slices(tmp_path, drawn):
    named = {f"tap.{position}": tensor for position, tensor in enumerate(drawn)}
    path = record(tmp_path / "dump.safetensors", named)
    with safe_open(path, "pt") as official, Dump.open(path) as dump:
        for name in named:
            sha, mine = dump.entry(name).sha256, dump.read(name)
            assert bits(official.get_tensor(sha)) == bits(mine)
            if mine.ndim and mine.shape[0]:
                assert bits(official.get_slice(sha)[:1]) == bits(mine[:1])


def test_a_closed_dump_reads_nothing(tmp_path):
    for suffix in FORMATS:
        with Dump.open(record(tmp_path / f"dump{suffix}", {"x": torch.zeros(2)})) as dump:
            source = dump.source("x")
        for ask in (lambda d=dump: d.read("x"), lambda s=source: s.read(0, 2)):
            with pytest.raises(BadInputError):
                ask()


def test_a_manifest_is_kept_exactly(tmp_path):
    for suffix in FORMATS:
        given_manifest = manifest(commit="c0ffee", seed=-(2**70), case="line\nbreak \0 ü")
        with DumpWriter(tmp_path / f"dump{suffix}") as writer:
            writer.set_manifest(given_manifest)
        with Dump.open(tmp_path / f"dump{suffix}") as dump:
            assert dump.manifest == given_manifest
