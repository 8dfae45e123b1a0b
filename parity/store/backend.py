"""What a file format must be able to do for a dump; the writer and the reader know nothing more of it."""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from parity.errors import BadInputError
from parity.store.bits import BlobSpec
from parity.store.hdf5_read import Hdf5File
from parity.store.hdf5_write import Hdf5Sink
from parity.store.layout import Index, Sealed
from parity.store.safetensors_read import SafetensorsFile
from parity.store.safetensors_write import SafetensorsSink


class BlobSink(Protocol):
    """A partial file being filled."""

    def put(self, sha: str, spec: BlobSpec, raw: NDArray[np.uint8]) -> None:
        """Store one content under its hash."""

    def finish(self, index: Index, sealed: Sealed) -> None:
        """Write what the dump says of itself, the seal last, and close the file."""

    def close(self) -> None:
        """Close the file as it is; allowed more than once."""


class BlobFile(Protocol):
    """A file being read."""

    def sealed(self) -> Sealed:
        """Return manifest, index and seal as they lie in the file, unchecked."""

    def check(self, index: Index) -> None:
        """Raise BadInputError unless the file holds exactly the blobs of `index`, in dtype and size."""

    def fill(self, sha: str, start: int, out: torch.Tensor) -> None:
        """Read the flat elements from `start` on into the contiguous 1-D CPU tensor `out`."""

    def stamp(self) -> tuple[int, int]:
        """Give size and time of the last change of the open file, whatever has its name by now."""

    def close(self) -> None:
        """Close the file; allowed more than once."""


def open_sink(target: Path, partial: Path, spool: Path, compression: int | None) -> BlobSink:
    """Start a file at `partial`, in the format that the suffix of `target` names."""
    if target.suffix == ".h5":
        return Hdf5Sink(partial, compression)
    if compression is not None:
        raise BadInputError(str(target), "a compression level", "none: safetensors has no compression", "drop it")
    return SafetensorsSink(partial, spool)


def open_file(path: Path) -> BlobFile:
    """Open the file at `path` in the format that its suffix names."""
    require_suffix(path)
    if path.suffix == ".h5":
        return Hdf5File(path)
    return SafetensorsFile(path)


def require_suffix(path: Path) -> None:
    """Raise BadInputError unless the suffix of `path` names a format."""
    if path.suffix not in {".h5", ".safetensors"}:
        raise BadInputError(str(path), f"suffix {path.suffix!r}", ".h5 or .safetensors", "rename the target")
