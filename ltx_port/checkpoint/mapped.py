"""The data of a safetensors file, mapped into memory at any size."""

import json
import math
import mmap
import os
import sys
from pathlib import Path

import torch

# Private and writable, so that torch takes the pages as they are; not reserved, so that a file larger than the
# machine's memory can be mapped all the same (safetensors' own mapping for torch is refused then).
# Python names the flag from 3.13 on; 0x4000 is Linux's on x86, Arm and RISC-V.
_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
_FLAGS = mmap.MAP_PRIVATE | _NORESERVE
# Linux drops the pages of a file at once; other systems take it as a hint, or lack it.
_DONTNEED = getattr(mmap, "MADV_DONTNEED", None)


class MappedTensors:
    """Tensors that share their memory with the file until they are written to.

    The header must have been checked by safetensors already: its offsets are taken as they are.
    """

    def __init__(self, path: Path):
        with path.open("rb") as stream:
            self.stat = os.fstat(stream.fileno())
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
            self._map = mmap.mmap(stream.fileno(), 0, flags=_FLAGS, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        offsets = {key: entry["data_offsets"] for key, entry in header.items() if key != "__metadata__"}
        self._places = {key: (8 + length + start, 8 + length + stop) for key, (start, stop) in offsets.items()}
        self._kept: set[str] = set()

    def tensor(self, key: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Give a tensor of the file; its pages are read when they are first used."""
        count, (start, stop) = math.prod(shape), self._places[key]
        if count == 0:
            return torch.empty(shape, dtype=dtype)
        if start % dtype.itemsize == 0:
            return torch.frombuffer(self._map, dtype=dtype, count=count, offset=start).view(shape)
        # The format does not promise alignment, which arithmetic on mapped memory needs.
        with memoryview(self._map) as whole:
            raw = bytearray(whole[start:stop])
        return torch.frombuffer(raw, dtype=dtype).view(shape)

    def keep(self, key: str) -> None:
        """Never release a tensor from now on: somebody computes with it in place, and may have written to it."""
        self._kept.add(key)

    def release(self, key: str) -> None:
        """Give back the pages of a tensor that was copied, unless it is kept; those of its neighbours stay.

        They are read again where they are used again.
        """
        start, stop = self._places[key]
        first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, stop // mmap.PAGESIZE * mmap.PAGESIZE
        if _DONTNEED is not None and last > first and key not in self._kept:
            self._map.madvise(_DONTNEED, first, last - first)
