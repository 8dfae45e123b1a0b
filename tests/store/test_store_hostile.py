import json

import h5py
import numpy as np
import pytest
import torch
from store_cases import TENSORS, manifest, record, refused

from parity.store.bits import BlobSpec
from parity.store.layout import Index, Sealed


def _drop(file, name):
    del file[name]


def _soft(file):
    del file["manifest"]
    file["manifest"] = h5py.SoftLink("/names")


def _external_link(file):
    del file["names"]
    file["names"] = h5py.ExternalLink("elsewhere.h5", "/names")


def _blob(file, replace):
    sha = sorted(file["blobs"])[0]
    old = file["blobs"][sha]
    kind, shape, marks, data = old.dtype, old.shape, dict(old.attrs), old[...]
    del file["blobs"][sha]
    fresh = replace(file["blobs"], sha, kind, shape, data)
    for key, value in marks.items():
        fresh.attrs[key] = value


def _external_storage(group, sha, kind, shape, data):
    return group.create_dataset(sha, shape, kind, external=[("outside.bin", 0, data.nbytes)])


def _virtual(group, sha, kind, shape, data):
    layout = h5py.VirtualLayout(shape, kind)
    layout[:] = h5py.VirtualSource("elsewhere.h5", "/x", shape)
    return group.create_virtual_dataset(sha, layout)


def _vlen(group, sha, kind, shape, data):
    return group.create_dataset(sha, shape, h5py.vlen_dtype(kind))


def _foreign_filter(group, sha, kind, shape, data):
    return group.create_dataset(sha, data=data, dtype=kind, chunks=shape, compression="lzf")


def _unwritten(group, sha, kind, shape, data):
    return group.create_dataset(sha, shape, kind, chunks=shape)


def _mark(file, name, value):
    del file.attrs[name]
    file.attrs[name] = value


HDF5_HARM = {
    "no manifest": lambda file: _drop(file, "manifest"),
    "no names": lambda file: _drop(file, "names"),
    "no blobs": lambda file: _drop(file, "blobs"),
    "a blob missing": lambda file: _drop(file["blobs"], sorted(file["blobs"])[0]),
    "a blob too many": lambda file: file["blobs"].create_dataset("f" * 64, data=np.zeros(3)),
    "an entry too many": lambda file: file.create_group("more"),
    "blobs a dataset": lambda file: (_drop(file, "blobs"), file.create_dataset("blobs", data=np.zeros(3))),
    "manifest a soft link": _soft,
    "names an external link": _external_link,
    "data in another file": lambda file: _blob(file, _external_storage),
    "a virtual dataset": lambda file: _blob(file, _virtual),
    "variable length": lambda file: _blob(file, _vlen),
    "a foreign filter": lambda file: _blob(file, _foreign_filter),
    "a blob never written": lambda file: _blob(file, _unwritten),
    "another dtype": lambda file: _blob(file, lambda g, n, k, s, d: g.create_dataset(n, data=d.astype(">i8"))),
    "another length": lambda file: _blob(file, lambda g, n, k, s, d: g.create_dataset(n, data=d[:-1])),
    "no seal": lambda file: file.attrs.__delitem__("seal"),
    "a wrong seal": lambda file: _mark(file, "seal", np.bytes_("0" * 64)),
    "a seal of variable length": lambda file: _mark(file, "seal", "0" * 64),
    "another format": lambda file: _mark(file, "format", np.bytes_("other")),
    "another version": lambda file: _mark(file, "version", np.bytes_("2")),
    "a mark of another shape": lambda file: file["blobs"][sorted(file["blobs"])[0]].attrs.modify(
        "shape", np.bytes_("[1,40]")
    ),
}
HDF5_REASON = {
    "no manifest": "in place of",
    "no names": "in place of",
    "no blobs": "in place of",
    "a blob missing": "lacks blob",
    "a blob too many": "adds blob",
    "an entry too many": "'more'",
    "blobs a dataset": "not a Group",
    "manifest a soft link": "absent or a link",
    "names an external link": "absent or a link",
    "data in another file": "in another file",
    "a virtual dataset": "in another file",
    "variable length": "holds object",
    "a foreign filter": "filters",
    "a blob never written": "not stored whole",
    "another dtype": "holds >i8",
    "another length": r"float32 \(39,\)",
    "no seal": "no attribute 'seal'",
    "a wrong seal": "seal does not match",
    "a seal of variable length": "not a plain string",
    "another format": "another format",
    "another version": "format version '2'",
    "a mark of another shape": "where the index says",
}


@pytest.mark.parametrize("harm", HDF5_HARM)
def test_an_hdf5_file_that_is_not_exactly_a_dump_is_refused(tmp_path, harm):
    path = record(tmp_path / "dump.h5", TENSORS)
    with h5py.File(path, "r+") as file:
        HDF5_HARM[harm](file)
    refused(path, HDF5_REASON[harm])


def _rewritten(path, change):
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    data = change(header, raw[8 + length :])
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def _first(header):
    return next(key for key in header if key != "__metadata__")


SAFETENSORS_HARM = {
    "no metadata": lambda header, data: (header.pop("__metadata__"), data)[1],
    "no manifest": lambda header, data: (header["__metadata__"].pop("manifest"), data)[1],
    "metadata too much": lambda header, data: (header["__metadata__"].update(more="x"), data)[1],
    "another version": lambda header, data: (header["__metadata__"].update(version="2"), data)[1],
    "a wrong seal": lambda header, data: (header["__metadata__"].update(seal="0" * 64), data)[1],
    "a blob missing": lambda header, data: (header.pop(_first(header)), data)[1],
    "a blob too many": lambda header, data: (
        header.update({"f" * 64: {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}),
        data,
    )[1],
    "another dtype": lambda header, data: (header[_first(header)].update(dtype="I32"), data)[1],
    "another shape": lambda header, data: (header[_first(header)].update(shape=[4, 10]), data)[1],
    "other offsets": lambda header, data: (header[_first(header)].update(data_offsets=[1, 161]), data)[1],
    "overlap": lambda header, data: (
        [header[key].update(data_offsets=[0, 24]) for key in header if header[key].get("dtype") == "BF16"],
        data,
    )[1],
    "bytes after the end": lambda header, data: data + b"\0",
    "offsets that are truth values": lambda header, data: (
        header[_first(header)].update(data_offsets=[False, 160]),
        data,
    )[1],
}
SAFETENSORS_REASON = {
    "no metadata": "another format",
    "no manifest": "metadata keys",
    "metadata too much": "metadata keys",
    "another version": "format version '2'",
    "a wrong seal": "seal does not match",
    "a blob missing": "lacks blob",
    "a blob too many": "adds blob",
    "another dtype": "where the index wants",
    "another shape": "where the index wants",
    "other offsets": "begins at byte",
    "overlap": "begins at byte",
    "bytes after the end": "accounts for",
    "offsets that are truth values": "has the offsets",
}


@pytest.mark.parametrize("harm", SAFETENSORS_HARM)
def test_a_safetensors_file_that_is_not_exactly_a_dump_is_refused(tmp_path, harm):
    path = record(tmp_path / "dump.safetensors", TENSORS)
    _rewritten(path, SAFETENSORS_HARM[harm])
    refused(path, SAFETENSORS_REASON[harm])


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "[1]", '{"a":NaN}', "[" * 100_000, "\\", '{"__metadata__":{}}'])
def test_a_header_with_more_than_one_meaning_is_refused(tmp_path, text):
    path = tmp_path / "dump.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode())
    refused(path)


def test_a_header_length_beyond_the_file_allocates_nothing(tmp_path):
    path = tmp_path / "dump.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    refused(path, "a header of")


def test_an_hdf5_blob_claiming_far_more_than_it_stores_is_refused_before_it_is_read(tmp_path):
    path = record(tmp_path / "dump.h5", {"x": torch.zeros(8)})
    with h5py.File(path, "r+") as file:
        sha = next(iter(file["blobs"]))
        del file["blobs"][sha]
        huge = file["blobs"].create_dataset(sha, (2**40,), "<f4", chunks=(1024,), compression="gzip")
        huge.attrs["dtype"], huge.attrs["shape"] = np.bytes_("float32"), np.bytes_(f"[{2**40}]")
        index = Index({"x": sha}, {sha: BlobSpec(torch.float32, (2**40,))})
        sealed = Sealed.over("here", manifest(tap_count=1), index)
        for name, content in (("names", sealed.index), ("manifest", sealed.manifest)):
            del file[name]
            file.create_dataset(name, data=np.frombuffer(content, np.uint8))
        file.attrs["seal"] = np.bytes_(sealed.seal)
    assert "not stored whole" in str(refused(path))
