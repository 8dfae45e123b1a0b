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
        self._offsets = {
            key: 8 + length + entry["data_offsets"][0] for key, entry in header.items() if key != "__metadata__"
        }

    def tensor(self, key: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Give a tensor of the file; its pages are read when they are first used."""
        count, offset = math.prod(shape), self._offsets[key]
        if count == 0:
            return torch.empty(shape, dtype=dtype)
        if offset % dtype.itemsize == 0:
            return torch.frombuffer(self._map, dtype=dtype, count=count, offset=offset).view(shape)
        # The format does not promise alignment, which arithmetic on mapped memory needs.
        raw = bytearray(self._map[offset : offset + count * dtype.itemsize])
        return torch.frombuffer(raw, dtype=dtype).view(shape)
