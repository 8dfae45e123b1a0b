"""Writing the safetensors form: each content once under its hash, index and manifest in the metadata."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from parity.errors import BadInputError
from parity.store import strict_json
from parity.store.bits import BlobSpec
from parity.store.layout import FORMAT_NAME, FORMAT_VERSION, Index, Sealed

MAX_HEADER_BYTES = 100_000_000  # what the format's own readers accept
HEADER_ALIGNMENT = 8
_COPY_BYTES = 2**24


class SafetensorsSink:
    """A new safetensors file. Its header comes first but is known last, so contents wait in a spool file."""

    def __init__(self, path: Path, spool: Path):
        self._path = path
        self._spool: BinaryIO = spool.open("x+b")
        self._begins: dict[str, int] = {}

    def put(self, sha: str, spec: BlobSpec, raw: NDArray[np.uint8]) -> None:
        """Append one content to the spool."""
        self._begins[sha] = self._spool.tell()
        self._spool.write(raw.data)

    def finish(self, index: Index, sealed: Sealed) -> None:
        """Write the header and then the contents, and close the file."""
        # Widest elements first: every tensor then begins at a multiple of its element size, as readers need.
        order = sorted(index.blobs, key=lambda sha: -index.blobs[sha].dtype.itemsize)
        header = _header(str(self._path), order, index, sealed)
        with self._path.open("xb") as out:
            out.write(len(header).to_bytes(8, "little"))
            out.write(header)
            for sha in order:
                self._copy(sha, index.blobs[sha].nbytes, out)
        self.close()

    def close(self) -> None:
        """Close the spool."""
        self._spool.close()

    def _copy(self, sha: str, nbytes: int, out: BinaryIO) -> None:
        self._spool.seek(self._begins[sha], os.SEEK_SET)
        while nbytes:
            piece = self._spool.read(min(nbytes, _COPY_BYTES))
            if not piece:
                raise OSError(f"the spool of {self._path} ended early")
            out.write(piece)
            nbytes -= len(piece)


def _header(where: str, order: list[str], index: Index, sealed: Sealed) -> bytes:
    header: dict[str, object] = {
        "__metadata__": {
            "format": FORMAT_NAME,
            "version": FORMAT_VERSION,
            "manifest": sealed.manifest.decode("utf-8"),
            "index": sealed.index.decode("utf-8"),
            "seal": sealed.seal,
        }
    }
    begin = 0
    for sha in order:
        spec = index.blobs[sha]
        end = begin + spec.nbytes
        header[sha] = {
            "dtype": spec.stored.safetensors,
            "shape": list(spec.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    raw = strict_json.encode(where, header)
    raw += b" " * (-len(raw) % HEADER_ALIGNMENT)
    if len(raw) > MAX_HEADER_BYTES:
        raise BadInputError(where, f"a header of {len(raw)} bytes", f"{MAX_HEADER_BYTES} at most", "write .h5")
    return raw
