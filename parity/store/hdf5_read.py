"""Reading the HDF5 form, trusting nothing in it: no links out, no foreign types, filters or storage."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from parity.store import strict_json
from parity.store.bits import BlobSpec, dtype_name
from parity.store.layout import FORMAT_NAME, FORMAT_VERSION, Index, Sealed
from parity.store.refusal import refusing, shown, stamp_of, unreadable
from parity.store.safetensors_write import MAX_HEADER_BYTES

_ROOT_NAMES = {"blobs", "manifest", "names"}
_ROOT_MARKS = {"format", "version", "seal"}
_BLOB_MARKS = {"dtype", "shape"}
_BYTES = np.dtype("|u1")

# The signature and the one generation that is written: older ones have no checksums over what the library parses.
_BEGINNING = b"\x89HDF\r\n\x1a\n\x03"

# Any other filter may load code from a plugin folder. Deflate cannot expand by more than about 1032 to 1.
_FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE})
_DEFLATE_BOUND = 1040
# A chunk is decompressed whole however little of it is asked for. Chunks that are written have 1 MiB.
_LARGEST_CHUNK = 2**26


class Hdf5File:
    """An HDF5 dump open for reading."""

    def __init__(self, path: Path):
        self._where = str(path)
        with refusing(path, "opening as HDF5"):
            self._require_generation(path)
            # A dump is never changed in place, and file locks fail on read-only and network folders.
            self._file = h5py.File(path, "r", locking=False)
        try:
            with refusing(path, "reading the HDF5 layout"):
                self._check_root()
        except BaseException:
            self._file.close()
            raise

    def sealed(self) -> Sealed:
        """Return manifest, index and seal as they lie in the file."""
        with refusing(self._where, "reading manifest and names"):
            return Sealed(self._bytes("manifest"), self._bytes("names"), self._mark(self._file, "seal"))

    def check(self, index: Index) -> None:
        """Raise BadInputError unless the blobs are exactly those of `index`, in dtype, shape and storage."""
        with refusing(self._where, "checking the blobs"):
            blobs = self._file["blobs"]
            for odd in index.blobs.keys() ^ set(blobs):
                side = "lacks" if odd in index.blobs else "adds"
                raise unreadable(self._where, f"the file {side} blob {shown(odd)}")
            for sha, spec in index.blobs.items():
                self._check_blob(sha, spec)

    def fill(self, sha: str, start: int, out: torch.Tensor) -> None:
        """Read the flat elements from `start` on into `out`."""
        if not out.numel():
            return
        with refusing(self._where, f"reading blob {sha}"):
            dataset = self._file["blobs"][sha]
            target = out.view(torch.uint8).numpy().view(dataset.dtype)
            dataset.read_direct(target, np.s_[start : start + out.numel()])

    def stamp(self) -> tuple[int, int]:
        """Give size and time of the last change."""
        with refusing(self._where, "looking at the file"):
            return stamp_of(self._file.id.get_vfd_handle())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _require_generation(self, path: Path) -> None:
        with path.open("rb") as stream:
            beginning = stream.read(len(_BEGINNING))
        if beginning != _BEGINNING:
            raise unreadable(self._where, "not HDF5 of the generation that dumps are written in")

    def _check_root(self) -> None:
        if self._mark(self._file, "format") != FORMAT_NAME:
            raise unreadable(self._where, "an HDF5 file of another format")
        version = self._mark(self._file, "version")
        if version != FORMAT_VERSION:
            raise unreadable(self._where, f"format version {shown(version)}, not {FORMAT_VERSION}")
        if set(self._file) != _ROOT_NAMES:
            raise unreadable(self._where, f"{shown(sorted(self._file))} in place of {sorted(_ROOT_NAMES)}")
        self._hard(self._file, "blobs", h5py.Group)
        self._require_marks(self._file, _ROOT_MARKS)
        self._require_marks(self._file["blobs"], set())

    def _check_blob(self, sha: str, spec: BlobSpec) -> None:
        dataset = self._dataset(self._file["blobs"], sha, np.dtype(spec.stored.hdf5), spec.elements)
        self._require_marks(dataset, _BLOB_MARKS)
        dtype, shape = self._mark(dataset, "dtype"), self._mark(dataset, "shape")
        if dtype != dtype_name(spec.dtype) or shape.encode() != strict_json.encode(sha, list(spec.shape)):
            got = f"blob {sha} is {shown(dtype)} {shown(shape)}"
            raise unreadable(self._where, f"{got} where the index says {spec.dtype} {list(spec.shape)}")

    def _bytes(self, name: str) -> bytes:
        size = self._hard(self._file, name, h5py.Dataset).size
        if size is None or size > MAX_HEADER_BYTES:
            raise unreadable(self._where, f"{shown(name)} of {size} bytes")
        dataset = self._dataset(self._file, name, _BYTES, size, filters=frozenset())
        self._require_marks(dataset, set())
        return bytes(dataset[...])

    def _dataset(
        self, group: Any, name: str, kind: np.dtype[Any], elements: int, filters: frozenset[int] = _FILTERS
    ) -> Any:
        dataset = self._hard(group, name, h5py.Dataset)
        if dataset.dtype != kind or dataset.dtype.hasobject or dataset.shape != (elements,):
            got = f"{shown(name)} holds {dataset.dtype} {dataset.shape}"
            raise unreadable(self._where, f"{got} in place of {kind} {(elements,)}")
        if dataset.external is not None or dataset.is_virtual:
            raise unreadable(self._where, f"{shown(name)} keeps its data in another file")
        plist = dataset.id.get_create_plist()
        used = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
        if used - filters:
            raise unreadable(self._where, f"{shown(name)} uses the filters {sorted(used)}")
        if dataset.chunks is not None and dataset.chunks[0] * kind.itemsize > _LARGEST_CHUNK:
            raise unreadable(self._where, f"{shown(name)} has chunks of {dataset.chunks[0]} elements")
        # A hostile file may claim terabytes which it does not store; HDF5 would make them up of zeros.
        if dataset.id.get_storage_size() * (_DEFLATE_BOUND if used else 1) < dataset.nbytes:
            raise unreadable(self._where, f"{shown(name)} is not stored whole")
        return dataset

    def _hard(self, group: Any, name: str, kind: type) -> Any:
        if type(group.get(name, getlink=True)) is not h5py.HardLink:
            raise unreadable(self._where, f"{shown(name)} is absent or a link")
        found = group[name]
        if not isinstance(found, kind):
            raise unreadable(self._where, f"{shown(name)} is not a {kind.__name__}")
        return found

    def _require_marks(self, owner: Any, known: set[str]) -> None:
        # What is not known is not looked at: it may be a reference into another file.
        if odd := sorted(set(owner.attrs) - known):
            raise unreadable(self._where, f"the unknown attribute {shown(odd[0])} of {shown(owner.name)}")

    def _mark(self, owner: Any, name: str) -> str:
        if name not in owner.attrs:
            raise unreadable(self._where, f"no attribute {name!r}: not a dump, or one that was not finished")
        # Looked at before it is read: a string of variable length would be an object read from the heap.
        kind = owner.attrs.get_id(name)
        if kind.dtype.kind != "S" or kind.shape != ():
            raise unreadable(self._where, f"attribute {name!r} is not a plain string")
        return bytes(owner.attrs[name]).decode("ascii")
