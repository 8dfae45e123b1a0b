"""Writes a synthetic file as safetensors, chunk by chunk, whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from parity.errors import BadInputError
from parity.ltx23.synthetic.components import parameter_count
from parity.ltx23.synthetic.recipe import Shape
from parity.ltx23.synthetic.spec import DTYPE_CODES, FileSpec
from parity.ltx23.synthetic.tensor import SyntheticTensor
from parity.store.partial import flush

Progress = Callable[[int, int], None]
"""Called with (bytes written, bytes in all)."""

# With its float32 source and the working set of the generator, a chunk stays below 64 MiB.
_CHUNK_ELEMENTS = 1 << 22
_HEADER_ALIGNMENT = 8
_FREE_SPACE_RESERVE = 64 << 20


@dataclass(frozen=True)
class WrittenCheckpoint:
    """What was written: `nbytes` is the file's size, `sha256` is over the whole file in hex."""

    path: Path
    nbytes: int
    sha256: str
    parameters: int


def write_checkpoint(
    path: Path | str,
    spec: FileSpec,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> WrittenCheckpoint:
    """Write the file that `spec` describes; `device` makes the numbers, and changes none of them.

    The same spec gives the same bytes. The file appears under its name only when it is complete on disk; an
    earlier file of that name stays until then. Raises BadInputError for a bad spec, an unusable path, or too
    little free space.
    """
    path, shapes, device = Path(path), spec.shapes(), _usable(torch.device(device))
    header = _header(spec, shapes)
    parameters = parameter_count(shapes)
    total = len(header) + parameters * spec.dtype.itemsize
    _check_room(path, total)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            sink = _Sink(stream, total, progress)
            sink.write(header)
            for key, shape in shapes.items():
                tensor = SyntheticTensor(key, shape, spec.seed, spec.profile, device)
                _write_tensor(sink, tensor, spec.dtype)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from None
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    # A rename is durable only once the folder that holds the name is.
    flush(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    return WrittenCheckpoint(path, total, sink.digest.hexdigest(), parameters)


class _Sink:
    """A file that hashes what goes through it, and tells how far it is."""

    def __init__(self, stream: IO[bytes], total: int, progress: Progress | None):
        self.digest = hashlib.sha256()
        self._stream, self._total, self._progress = stream, total, progress
        self._written = 0

    def write(self, data: bytes | memoryview) -> None:
        self._stream.write(data)
        self.digest.update(data)
        self._written += len(data)
        if self._progress is not None:
            self._progress(self._written, self._total)


def _write_tensor(sink: _Sink, tensor: SyntheticTensor, dtype: torch.dtype) -> None:
    for start in range(0, tensor.numel, _CHUNK_ELEMENTS):
        values = tensor.read(start, min(start + _CHUNK_ELEMENTS, tensor.numel)).to(dtype)
        sink.write(values.cpu().view(torch.uint8).numpy().data)


def _header(spec: FileSpec, shapes: dict[str, Shape]) -> bytes:
    entries: dict[str, object] = {"__metadata__": spec.metadata()}
    offset = 0
    for key, shape in shapes.items():
        end = offset + parameter_count({key: shape}) * spec.dtype.itemsize
        code = DTYPE_CODES[spec.dtype]
        entries[key] = {"dtype": code, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEADER_ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _usable(device: torch.device) -> torch.device:
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInputError("device", str(device), "a device of this machine", "make the numbers on the cpu")
    return device


def _check_room(path: Path, total: int) -> None:
    if not path.parent.is_dir():
        raise _unwritable(path, "no such folder")
    if path.is_dir():
        raise _unwritable(path, "a folder")
    free = shutil.disk_usage(path.parent).free
    if free < total + _FREE_SPACE_RESERVE:
        expected = f"{total + _FREE_SPACE_RESERVE:,} bytes on its disk"
        raise BadInputError(str(path), f"{free:,} bytes free", expected, "free some, or ask for fewer layers")


def _unwritable(path: Path, got: str) -> BadInputError:
    return BadInputError(str(path), got, "a file name in a folder that can be written", "give another path")
