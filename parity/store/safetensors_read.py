"""Reading the safetensors form: header checked to the last byte, contents read by offset without mapping."""

import os
from pathlib import Path

import torch

from parity.store import strict_json
from parity.store.bits import BlobSpec
from parity.store.layout import FORMAT_NAME, FORMAT_VERSION, Index, Sealed
from parity.store.refusal import refusing, shown, stamp_of, unreadable
from parity.store.safetensors_write import MAX_HEADER_BYTES

_LENGTH_BYTES = 8
_METADATA_KEYS = {"format", "version", "manifest", "index", "seal"}


class SafetensorsFile:
    """A safetensors dump open for reading."""

    def __init__(self, path: Path):
        self._where = str(path)
        self._begins: dict[str, int] = {}
        with refusing(path, "opening"):
            self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with refusing(path, "reading the safetensors header"):
                self._header = self._read_header()
                self._metadata = self._read_metadata()
        except BaseException:
            self.close()
            raise

    def sealed(self) -> Sealed:
        """Return manifest, index and seal as they lie in the file."""
        found = self._metadata
        return Sealed(found["manifest"].encode("utf-8"), found["index"].encode("utf-8"), found["seal"])

    def check(self, index: Index) -> None:
        """Raise BadInputError unless the contents are exactly those of `index` and fill the file exactly."""
        for odd in index.blobs.keys() ^ self._header.keys():
            side = "lacks" if odd in index.blobs else "adds"
            raise unreadable(self._where, f"the file {side} blob {shown(odd)}")
        spans = sorted(self._span(sha, spec) for sha, spec in index.blobs.items())
        position = self._data_begin
        for begin, end, sha in spans:
            if begin != position:
                raise unreadable(self._where, f"blob {sha} begins at byte {begin}, not at {position}")
            self._begins[sha], position = begin, end
        if position != self._size:
            raise unreadable(self._where, f"{self._size} bytes where the header accounts for {position}")

    def fill(self, sha: str, start: int, out: torch.Tensor) -> None:
        """Read the flat elements from `start` on into `out`."""
        target = out.view(torch.uint8).numpy().data
        with refusing(self._where, f"reading blob {sha}"):
            self._read_into(target, self._begins[sha] + start * out.dtype.itemsize)

    def stamp(self) -> tuple[int, int]:
        """Give size and time of the last change."""
        with refusing(self._where, "looking at the file"):
            return stamp_of(self._open_descriptor())

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read_header(self) -> dict[str, object]:
        self._size = os.fstat(self._open_descriptor()).st_size
        prefix = bytearray(_LENGTH_BYTES)
        self._read_into(memoryview(prefix), 0)
        length = int.from_bytes(prefix, "little")
        self._data_begin = _LENGTH_BYTES + length
        if length > MAX_HEADER_BYTES or self._data_begin > self._size:
            raise unreadable(self._where, f"a header of {length} bytes in a file of {self._size}")
        raw = bytearray(length)
        self._read_into(memoryview(raw), _LENGTH_BYTES)
        header = strict_json.decode(f"{self._where} header", bytes(raw))
        if not isinstance(header, dict):
            raise unreadable(self._where, "a header that is not an object")
        return header

    def _read_metadata(self) -> dict[str, str]:
        found = self._header.pop("__metadata__", None)
        if not isinstance(found, dict) or found.get("format") != FORMAT_NAME:
            raise unreadable(self._where, "a safetensors file of another format: no dump metadata")
        if found.get("version") != FORMAT_VERSION:
            raise unreadable(self._where, f"format version {shown(found.get('version'))}, not {FORMAT_VERSION}")
        if found.keys() != _METADATA_KEYS or not all(isinstance(value, str) for value in found.values()):
            raise unreadable(self._where, f"metadata keys {shown(sorted(found))}, not {sorted(_METADATA_KEYS)}")
        return found

    def _span(self, sha: str, spec: BlobSpec) -> tuple[int, int, str]:
        record = self._header[sha]
        offsets = record.get("data_offsets") if isinstance(record, dict) else None
        begin = offsets[0] if isinstance(offsets, list) and offsets else None
        if type(begin) is not int or begin < 0:
            raise unreadable(self._where, f"blob {sha} has the offsets {shown(offsets)}")
        end = begin + spec.nbytes
        wanted = {"dtype": spec.stored.safetensors, "shape": list(spec.shape), "data_offsets": [begin, end]}
        if record != wanted:
            raise unreadable(self._where, f"blob {sha} is {shown(record)} where the index wants {shown(wanted)}")
        return self._data_begin + begin, self._data_begin + end, sha

    def _read_into(self, target: memoryview, offset: int) -> None:
        while target.nbytes:
            count = os.preadv(self._open_descriptor(), [target], offset)
            if not count:
                raise OSError(f"the file ends at byte {offset}")
            target, offset = target[count:], offset + count

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise OSError("the dump was closed")
        return self._descriptor
