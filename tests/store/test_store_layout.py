import json

import h5py
import numpy as np
import pytest
import torch
from store_cases import DTYPES, FORMATS, TENSORS, manifest, record, refused

from parity.errors import BadInputError
from parity.store import Manifest
from parity.store.bits import BlobSpec
from parity.store.layout import Index, Sealed

SHA = "1" * 64
INDEX_HARM = {
    "a name of no blob": {"names": {"x": "2" * 64}, "blobs": {}},
    "a blob of no name": {"names": {}, "blobs": {SHA: {"dtype": "uint8", "shape": [1]}}},
    "a blob that is no hash": {"names": {"x": "../y"}, "blobs": {"../y": {"dtype": "uint8", "shape": [1]}}},
    "an unknown dtype": {"names": {"x": SHA}, "blobs": {SHA: {"dtype": "object", "shape": [1]}}},
    "a negative size": {"names": {"x": SHA}, "blobs": {SHA: {"dtype": "uint8", "shape": [-1]}}},
    "a truth value as size": {"names": {"x": SHA}, "blobs": {SHA: {"dtype": "uint8", "shape": [True]}}},
    "a size beyond torch": {"names": {"x": SHA}, "blobs": {SHA: {"dtype": "uint8", "shape": [0, 10**30]}}},
    "a key too many": {"names": {}, "blobs": {}, "more": 1},
    "a key too few": {"names": {}},
    "a list": [],
    "a hash that is a list": {"names": {"x": [SHA]}, "blobs": {}},
}
INDEX_REASON = {
    "a name of no blob": "missing blob",
    "a blob of no name": "has no name",
    "a blob that is no hash": "not named by a sha256",
    "an unknown dtype": "unknown dtype",
    "a negative size": "impossible shape",
    "a truth value as size": "impossible shape",
    "a size beyond torch": "of shape",
    "a key too many": "'more'",
    "a key too few": r"keys \['names'\]",
    "a list": "in place of an object",
    "a hash that is a list": "missing blob",
}


@pytest.mark.parametrize("harm", INDEX_HARM)
def test_an_index_that_does_not_hold_together_is_refused(harm):
    with pytest.raises(BadInputError, match=INDEX_REASON[harm]) as caught:
        Index.from_json("here", INDEX_HARM[harm])
    assert str(caught.value).startswith("here: ")


def test_a_seal_does_not_excuse_a_count_that_is_wrong():
    index = Index({"x": SHA}, {SHA: BlobSpec(torch.uint8, (1,))})
    assert Sealed.over("here", manifest(tap_count=1), index).opened("here")[1] == index
    with pytest.raises(BadInputError, match="1 names where the manifest counts 2"):
        Sealed.over("here", manifest(tap_count=2), index).opened("here")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("key", "value"), [("schema_version", 2), ("seed", None), ("more", 1)])
def test_a_sealed_manifest_of_another_schema_is_refused(tmp_path, monkeypatch, suffix, key, value):
    honest = Manifest.to_json
    monkeypatch.setattr(Manifest, "to_json", lambda self: honest(self) | {key: value})
    path = record(tmp_path / f"dump{suffix}", TENSORS)
    monkeypatch.undo()
    refused(path, f"manifest field '?{key}")


def test_a_seal_covers_the_manifest_and_the_index():
    sealed = Sealed.over("here", manifest(), Index())
    for changed in (
        Sealed(sealed.manifest.replace(b'"seed":7', b'"seed":8'), sealed.index, sealed.seal),
        Sealed(sealed.manifest, sealed.index + b" ", sealed.seal),
        Sealed(sealed.manifest + sealed.index[:1], sealed.index[1:], sealed.seal),
    ):
        with pytest.raises(BadInputError, match="seal"):
            changed.opened("here")


def test_every_safetensors_blob_begins_at_a_multiple_of_its_element_size(tmp_path):
    named = {str(dtype): torch.ones(3, dtype=dtype) for dtype in reversed(DTYPES)}
    raw = record(tmp_path / "dump.safetensors", named).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    del header["__metadata__"]
    assert len(header) == len(DTYPES)
    for spec in header.values():
        begin, end = spec["data_offsets"]
        assert (8 + length + begin) % ((end - begin) // 3) == 0


def test_the_hdf5_form_carries_checksums_in_its_metadata(tmp_path):
    raw = record(tmp_path / "dump.h5", TENSORS).read_bytes()
    assert raw[8] == 3, "the superblock version that came with checksums"


def test_hdf5_blobs_lie_flat_in_chunks_of_at_most_a_mebibyte_without_waste(tmp_path):
    named = {"big": torch.rand(300_000), "bf16": torch.ones(2, 3, dtype=torch.bfloat16), "no": torch.zeros(0, 4)}
    with h5py.File(record(tmp_path / "dump.h5", named), "r") as file:
        found = {blob.attrs["dtype"].decode() + blob.attrs["shape"].decode(): blob for blob in file["blobs"].values()}
        assert found["float32[300000]"].chunks == (150_000,)
        assert found["bfloat16[2,3]"].dtype == np.dtype("<u2")
        assert found["float32[0,4]"].shape == (0,)
        assert found["float32[300000]"].compression is None
