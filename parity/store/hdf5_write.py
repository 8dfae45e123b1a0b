"""Writing the HDF5 form: one chunked dataset for each content, the index and the manifest as JSON bytes."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from parity.errors import BadInputError
from parity.store import strict_json
from parity.store.bits import BlobSpec, dtype_name
from parity.store.layout import FORMAT_NAME, FORMAT_VERSION, Index, Sealed

CHUNK_BYTES = 2**20
MAX_LEVEL = 9

# The first HDF5 generation whose metadata carries checksums throughout; 1.10 and later read it.
_LIBVER = ("v110", "v110")


class Hdf5Sink:
    """A new HDF5 file; blobs lie flat, so that any slice of elements is a slice of the dataset."""

    def __init__(self, path: Path, compression: int | None):
        if compression is not None and not (type(compression) is int and 0 <= compression <= MAX_LEVEL):
            raise BadInputError(str(path), f"compression {compression!r}", f"0 to {MAX_LEVEL}", "choose a level")
        self._filters = {} if compression is None else {"compression": "gzip", "compression_opts": compression}
        self._file = h5py.File(path, "x", libver=_LIBVER, locking=False)
        self._blobs = self._file.create_group("blobs")

    def put(self, sha: str, spec: BlobSpec, raw: NDArray[np.uint8]) -> None:
        """Store one content under its hash, with its torch dtype and shape beside it."""
        kind = np.dtype(spec.stored.hdf5)
        # HDF5 cannot chunk a dataset of no elements.
        layout = {"chunks": (_chunk(spec),), **self._filters} if spec.elements else {}
        dataset = self._blobs.create_dataset(sha, shape=(spec.elements,), dtype=kind, **layout)
        if spec.elements:
            dataset[...] = raw.view(kind)
        dataset.attrs["dtype"] = np.bytes_(dtype_name(spec.dtype))
        dataset.attrs["shape"] = np.bytes_(strict_json.encode(sha, list(spec.shape)))

    def finish(self, index: Index, sealed: Sealed) -> None:
        """Write index, manifest and marker; the seal goes in only when all else has reached the file."""
        self._bytes("names", sealed.index)
        self._bytes("manifest", sealed.manifest)
        self._file.attrs["format"] = np.bytes_(FORMAT_NAME)
        self._file.attrs["version"] = np.bytes_(FORMAT_VERSION)
        self._file.flush()
        self._file.attrs["seal"] = np.bytes_(sealed.seal)
        self.close()

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _bytes(self, name: str, content: bytes) -> None:
        # Plain bytes: HDF5 strings are either of variable length, which readers refuse, or at most 64 KiB.
        self._file.create_dataset(name, data=np.frombuffer(content, dtype=np.uint8))


def _chunk(spec: BlobSpec) -> int:
    # Equal chunks: a last chunk is stored at full size, and would else waste up to the size of the blob.
    pieces = -(-spec.nbytes // CHUNK_BYTES)
    return -(-spec.elements // pieces)
