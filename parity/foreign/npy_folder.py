"""A folder of .npy files, one tensor each: what numpy, and little readers and writers everywhere, can do."""

import os
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.foreign.safetensors_file import Span
from parity.store.refusal import one_line, shown

IDENTITY_FILE = "identity.txt"
_DTYPES = {
    "f8": torch.float64,
    "f4": torch.float32,
    "f2": torch.float16,
    "i8": torch.int64,
    "i4": torch.int32,
    "i2": torch.int16,
    "i1": torch.int8,
    "u8": torch.uint64,
    "u4": torch.uint32,
    "u2": torch.uint16,
    "u1": torch.uint8,
    "b1": torch.bool,
}


class NpyFolder:
    """The tensors of a folder by the path of their file without `.npy`, parts joined by `/`.

    Hidden files and `identity.txt` beside them are no tensors; any other file is refused. numpy has no bfloat16: values
    of it are written as float32, and cast back by the mapping.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            files = sorted(file for file in path.rglob("*") if not file.is_dir())
        except OSError as error:
            raise BadInputError(str(path), one_line(error), "a folder of .npy files", "see to it") from error
        self._files: dict[str, Path] = {}
        for file in files:
            inside = file.relative_to(path)
            if any(part.startswith(".") for part in inside.parts) or inside == Path(IDENTITY_FILE):
                continue
            if file.suffix != ".npy":
                raise BadInputError(str(file), "no .npy file", "one tensor a file, and identity.txt", "move it away")
            self._files[inside.with_suffix("").as_posix()] = file
        self.spans = {name: self._span(file) for name, file in self._files.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the alphabet."""
        return tuple(self._files)

    @property
    def identity(self) -> str | None:
        """What `identity.txt` holds."""
        file = self.path / IDENTITY_FILE
        try:
            return file.read_text(encoding="ascii").strip() if file.exists() else None
        except (OSError, ValueError) as error:
            raise BadInputError(str(file), one_line(error), "64 hex digits", "write it again") from error

    def read(self, name: str) -> Tensor:
        """Read a whole tensor, in the byte order of this machine and row-major."""
        file = self._files[name]
        try:
            with file.open("rb") as stream:
                # Objects are refused by default, and have been by `_span`.
                array = np.lib.format.read_array(stream)
                rest = stream.read(1)
        except (OSError, ValueError, EOFError, MemoryError) as error:
            self._refuse(file, one_line(error))
        if rest:
            self._refuse(file, "bytes behind the array")
        native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        return torch.from_numpy(native).reshape(array.shape)

    def close(self) -> None:
        """Nothing is open between reads."""

    def _span(self, file: Path) -> Span:
        try:
            with file.open("rb") as stream:
                shape, dtype = _header(stream)
                begin, end = stream.tell(), os.fstat(stream.fileno()).st_size
        except OSError as error:
            self._refuse(file, one_line(error))
        except Exception as error:
            # numpy lets Python's own parser and tokenizer read headers, and promises no kind of error.
            self._refuse(file, f"no header that can be read ({' '.join(str(error).split()):.160})")
        code = dtype.str[1:]
        if dtype.hasobject or code not in _DTYPES:
            hint = " (bfloat16? write it as float32)" if code == "V2" else ""
            self._refuse(file, f"dtype {shown(dtype.str)}{hint}")
        if end - begin != prod(shape) * dtype.itemsize:
            self._refuse(file, f"{end - begin} bytes for {dtype.str} {shown(list(shape))}")
        return Span(_DTYPES[code], shape, begin, end)

    def _refuse(self, file: Path, got: str) -> NoReturn:
        raise BadInputError(str(file), got, "a whole .npy file of plain numbers", "write it again")


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    # To numpy true is a size too, until it reads.
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"shape {shape}")
    return shape, dtype
