"""A plain safetensors file, as any library of any language writes it, read strictly and piece by piece."""

import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.store import strict_json
from parity.store.bits import STORED_DTYPES
from parity.store.refusal import one_line, shown

MAX_HEADER_BYTES = 100_000_000  # what the format's own readers accept
_LENGTH_BYTES = 8
_DTYPES = {stored.safetensors: stored.torch_dtype for stored in STORED_DTYPES.values()}


@dataclass(frozen=True)
class Span:
    """Where a tensor lies in the file, in bytes from its beginning."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


class PlainSafetensors:
    """An open file; use it as a context, or close it.

    Opening checks the header to the last byte: every tensor has a known dtype and as many bytes as its shape needs,
    and together they fill the file without gap or overlap.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise BadInputError(
                str(path), error.strerror or "unreadable", "a safetensors file", "check the path"
            ) from error
        try:
            header, begin, size = self._header()
            self.metadata = self._metadata(header)
            self.spans = self._spans(header, begin, size)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the data."""
        return tuple(self.spans)

    def read(self, name: str) -> Tensor:
        """Read a whole tensor."""
        span = self.spans[name]
        flat = torch.empty(prod(span.shape), dtype=span.dtype)
        self._fill(flat.view(torch.uint8).numpy().data, span.begin)
        return flat.reshape(span.shape)

    def close(self) -> None:
        """Close the file; allowed more than once."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "PlainSafetensors":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _header(self) -> tuple[dict[str, object], int, int]:
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        prefix = bytearray(_LENGTH_BYTES)
        self._fill(memoryview(prefix), 0)
        length = int.from_bytes(prefix, "little")
        if length > MAX_HEADER_BYTES or _LENGTH_BYTES + length > size:
            self._refuse(f"a header of {length} bytes in a file of {size}")
        raw = bytearray(length)
        self._fill(memoryview(raw), _LENGTH_BYTES)
        try:
            header = strict_json.decode("header", bytes(raw))
        except BadInputError as error:
            self._refuse(error.got)
        if not isinstance(header, dict):
            self._refuse("a header that is not an object")
        return header, _LENGTH_BYTES + length, size

    def _metadata(self, header: dict[str, object]) -> dict[str, str]:
        found = header.pop("__metadata__", {})
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            self._refuse("metadata that is not a table of texts")
        return found

    def _spans(self, header: dict[str, object], begin: int, size: int) -> dict[str, Span]:
        spans = {name: self._span(name, record, begin) for name, record in header.items()}
        ordered = sorted(spans, key=lambda name: (spans[name].begin, spans[name].end))
        position = begin
        for name in ordered:
            if spans[name].begin != position:
                self._refuse(f"{shown(name)} begins at byte {spans[name].begin}, not at {position}")
            position = spans[name].end
        if position != size:
            self._refuse(f"{size} bytes where the header accounts for {position}")
        return {name: spans[name] for name in ordered}

    def _span(self, name: str, record: object, base: int) -> Span:
        if not isinstance(record, dict) or record.keys() != {"dtype", "shape", "data_offsets"}:
            self._refuse(f"{shown(name)} is described by {shown(record)}")
        if not name or any("\ud800" <= character <= "\udfff" for character in name):
            self._refuse(f"a tensor called {shown(name)}")
        dtype, shape, offsets = record["dtype"], record["shape"], record["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            self._refuse(f"{shown(name)} has the unknown dtype {shown(dtype)}")
        if not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
            self._refuse(f"{shown(name)} has shape {shown(shape)} and offsets {shown(offsets)}")
        if offsets[1] - offsets[0] != prod(shape) * _DTYPES[dtype].itemsize:
            self._refuse(f"{shown(name)} of {dtype} {shape} has {offsets[1] - offsets[0]} bytes")
        return Span(_DTYPES[dtype], tuple(shape), base + offsets[0], base + offsets[1])

    def _fill(self, target: memoryview, offset: int) -> None:
        if self._descriptor is None:
            self._refuse("a closed file")
        try:
            while target.nbytes:
                count = os.preadv(self._descriptor, [target], offset)
                if not count:
                    self._refuse(f"it ends at byte {offset}")
                target, offset = target[count:], offset + count
        except OSError as error:
            raise BadInputError(
                str(self.path), one_line(error), "a whole safetensors file", "see to the disk"
            ) from error

    def _refuse(self, got: str) -> NoReturn:
        raise BadInputError(str(self.path), got, "a whole safetensors file", "write it again")


def _counts(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 64 and all(type(n) is int and 0 <= n < 1 << 62 for n in value)
