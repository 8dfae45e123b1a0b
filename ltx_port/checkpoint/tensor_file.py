"""A safetensors file, memory-mapped: its metadata, and its tensors one at a time."""

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open

from ltx_port import strict_json
from ltx_port.checkpoint.mapped import MappedTensors
from ltx_port.errors import InputError

_GET_AGAIN = "fetch the file again, and compare its size with the source's"
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


Kind = TypeVar("Kind", bound="TensorFile")
# Device, inode, size and time of change.
_Identity = tuple[int, int, int, int]


@runtime_checkable
class TensorSource(Protocol):
    """What a component is loaded from: a file, or a file with its weights changed on the way."""

    @property
    def path(self) -> Path:
        """The file, for errors."""
        ...

    def keys(self) -> Collection[str]:
        """Give the official keys of all tensors."""
        ...

    def shape(self, key: str) -> tuple[int, ...]:
        """Give a tensor's shape."""
        ...

    def read(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Read one tensor onto `device`, in `dtype` where that is given."""
        ...

    def read_to_host(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Read into host memory the very bits that `read` gives on `device`."""
        ...


@dataclass(frozen=True)
class _Entry:
    shape: tuple[int, ...]
    dtype: str


class TensorFile:
    """An opened file; tensors are read when asked for. Kinds of files derive from it, and read their metadata."""

    path: Path
    # What to do where a file of this kind lacks something.
    right_file: ClassVar[str] = "use another file"

    def __init__(self, path: Path, handle: Any, metadata: Mapping[str, str], identity: _Identity):
        self.path = path
        self._metadata = metadata
        self._tensors: MappedTensors | None = None
        self._entries = {key: _entry(handle, key) for key in handle.keys()}  # noqa: SIM118  (not a mapping)
        self._identity = identity
        self._sha256: str | None = None

    @classmethod
    def open(cls: type[Kind], path: Path | str) -> Kind:
        """Open a file and check its header and metadata; reads no tensor.

        Raises InputError where the file is missing, is not whole safetensors, or is not of this kind.
        """
        path = Path(path)
        if not path.is_file():
            got = "a folder" if path.is_dir() else "no such file"
            raise InputError(str(path), got, "a .safetensors file", "give the path of the file")
        identity = _identity(path)
        try:
            # For its checks of the header alone: opened for torch, it reserves memory for the whole file.
            handle: Any = safe_open(path, framework="numpy")
            metadata = handle.metadata()
            _require_one_meaning(path)
        except (SafetensorError, OSError, ValueError) as error:
            got = f"unreadable or truncated ({_one_line(error)})"
            raise InputError(str(path), got, "a whole safetensors file", _GET_AGAIN) from None
        return cls(path, handle, metadata or {}, identity)

    def keys(self) -> Collection[str]:
        """Give the official keys of all tensors in the file."""
        return self._entries.keys()

    def shape(self, key: str) -> tuple[int, ...]:
        """Give a tensor's shape; InputError for a key that the file lacks."""
        return self._entry(key).shape

    def dtype(self, key: str) -> torch.dtype:
        """Give a tensor's dtype in the file; InputError for an absent key, or for a quantised tensor."""
        name = self._entry(key).dtype
        if name not in _DTYPES:
            expected = "one of " + ", ".join(_DTYPES)
            raise InputError(f"{self.path}: {key}", f"dtype {name}", expected, "use an unquantised checkpoint")
        return _DTYPES[name]

    def read(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Read one tensor onto `device`, rounded to nearest even where `dtype` differs from the file's.

        On the CPU and in the file's own dtype the tensor is the mapped file itself: pages are read on first
        use, and the file must stay as it is for as long as the tensor lives.
        """
        mapped = self._mapped()
        tensor = mapped.tensor(key, self.shape(key), self.dtype(key))
        given = tensor.to(device=device, dtype=dtype or tensor.dtype)
        if given is tensor:
            mapped.keep(key)
        else:
            # Else the pages of all that has been read would count as this process's memory.
            mapped.release(key)
        return given

    def read_to_host(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Read one tensor into host memory: `read` onto the CPU, since every device rounds to nearest even."""
        return self.read(key, "cpu", dtype)

    def sha256(self) -> str:
        """Give the SHA-256 of the whole file in hex: the identity of the weights in a manifest."""
        if self._sha256 is None:
            try:
                with self.path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise InputError(str(self.path), _one_line(error), "a readable file", _GET_AGAIN) from None
            # The mapping still shows the old file when another takes its name: one hash, other weights.
            if _identity(self.path) != self._identity:
                raise self._changed()
            self._sha256 = digest
        return self._sha256

    def _required_metadata(self, name: str) -> str:
        if name not in self._metadata:
            got, expected = f"no {name!r} in its metadata", f"the {name} it was trained with"
            raise InputError(str(self.path), got, expected, self.right_file)
        return self._metadata[name]

    def _mapped(self) -> MappedTensors:
        if self._tensors is None:
            try:
                tensors = MappedTensors(self.path)
            except (OSError, ValueError) as error:
                raise InputError(str(self.path), _one_line(error), "a readable file", _GET_AGAIN) from None
            if _identity_of(tensors.stat) != self._identity:
                raise self._changed()
            self._tensors = tensors
        return self._tensors

    def _changed(self) -> InputError:
        return InputError(str(self.path), "changed since it was opened", "the file that was opened", "open it again")

    def _entry(self, key: str) -> _Entry:
        if key not in self._entries:
            expected = f"one of its {len(self._entries)} keys"
            raise InputError(str(self.path), f"no tensor {key!r}", expected, self.right_file)
        return self._entries[key]


def _require_one_meaning(path: Path) -> None:
    """Raise ValueError for a header with a key given twice, of which safetensors takes one without a word."""
    with path.open("rb") as stream:
        strict_json.parse(stream.read(int.from_bytes(stream.read(8), "little")).decode("utf-8"))


def _entry(handle: Any, key: str) -> _Entry:
    header = handle.get_slice(key)
    return _Entry(tuple(header.get_shape()), header.get_dtype())


def _identity(path: Path) -> _Identity:
    return _identity_of(path.stat())


def _identity_of(stat: os.stat_result) -> _Identity:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
