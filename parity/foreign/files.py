"""What a foreign port wrote: a safetensors file, a folder of .npy files, or a dump of this harness."""

import hashlib
from pathlib import Path
from typing import Protocol, Self

import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.foreign.npy_folder import NpyFolder
from parity.foreign.safetensors_file import PlainSafetensors
from parity.store import Dump, Manifest, strict_json
from parity.store.layout import FORMAT_NAME

IDENTITY_KEY = "parity_identity"
"""The key of a safetensors file's metadata under which a port repeats the identity of its inputs."""


def identity_of(manifest: Manifest) -> str:
    """Give one hash for what a run was computed from: case, precision, release, weights, every input."""
    told = {
        "case": manifest.case,
        "dtype": manifest.dtype,
        "release": manifest.release,
        "checkpoint_sha256": manifest.checkpoint_sha256,
        "input_sha256": dict(sorted(manifest.input_sha256.items())),
    }
    return hashlib.sha256(strict_json.encode("identity", told)).hexdigest()


class _File(Protocol):
    @property
    def names(self) -> tuple[str, ...]: ...

    def read(self, name: str) -> Tensor: ...

    def close(self) -> None: ...


class ForeignFile:
    """Tensors by the names that they were written under; use it as a context.

    `identity` is what the file says of the inputs that it was computed from, None where it says nothing.
    """

    def __init__(
        self, path: Path, file: _File, specs: dict[str, tuple[torch.dtype, tuple[int, ...]]], identity: str | None
    ):
        self.path, self.identity = path, identity
        self._file, self._specs = file, specs

    @staticmethod
    def open(path: Path) -> "ForeignFile":
        """Open a file or a folder; BadInputError for anything that is not whole."""
        if path.is_dir():
            folder = NpyFolder(path)
            return ForeignFile(path, folder, {n: (s.dtype, s.shape) for n, s in folder.spans.items()}, folder.identity)
        if path.suffix == ".h5":
            return _of_dump(path)
        if path.suffix != ".safetensors":
            expected = "a .safetensors file, a .h5 dump or a folder of .npy files"
            raise BadInputError(str(path), "none of them", expected, "check the path")
        file = PlainSafetensors(path)
        if file.metadata.get("format") == FORMAT_NAME:
            file.close()
            return _of_dump(path)
        specs = {name: (span.dtype, span.shape) for name, span in file.spans.items()}
        return ForeignFile(path, file, specs, file.metadata.get(IDENTITY_KEY))

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order in which the file has them."""
        return self._file.names

    def spec(self, name: str) -> tuple[torch.dtype, tuple[int, ...]]:
        """Give dtype and shape."""
        return self._specs[name]

    def read(self, name: str) -> Tensor:
        """Read a whole tensor."""
        return self._file.read(name)

    def close(self) -> None:
        """Close the file; allowed more than once."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _of_dump(path: Path) -> ForeignFile:
    dump = Dump.open(path)
    specs = {name: (entry.dtype, entry.shape) for name in dump.names for entry in (dump.entry(name),)}
    return ForeignFile(path, dump, specs, identity_of(dump.manifest))
