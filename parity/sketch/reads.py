"""Reads of many tensors, asked for as they are shown and fetched together."""

from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from parity.sketch.plain import read_plain
from parity.sketch.read import SketchRead
from parity.sketch.recipe import Recipe


class Reads(Protocol):
    """Tensors of one device that are being read. Numbers count from 0, in the order in which tensors are asked for.

    `sums`: the precision in which buckets are added up. `again`: after `fetch`, the numbers of those whose read is not
    to be used, and that `PlainReads` reads.
    """

    @property
    def sums(self) -> torch.dtype:
        """The precision of sums."""

    @property
    def again(self) -> frozenset[int]:
        """What has to be read again."""

    def ask(self, tensor: Tensor) -> int:
        """Note a tensor; give its number."""

    def flush(self) -> None:
        """Read what is held, and let go of it."""

    def fetch(self) -> list[SketchRead]:
        """Give what was read, by number, on the host."""


class PlainReads:
    """Reads each tensor at once, with torch operations."""

    sums = torch.float64
    again: frozenset[int] = frozenset()

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._read: list[SketchRead] = []

    def ask(self, tensor: Tensor) -> int:
        """Read a tensor; give its number."""
        self._read.append(read_plain(tensor, self._recipe))
        return len(self._read) - 1

    def flush(self) -> None:
        """Do nothing: nothing is held."""

    def fetch(self) -> list[SketchRead]:
        """Give what was read, by number, on the host."""
        return [SketchRead(*(part.cpu() for part in read)) for read in self._read]


def reads_for(device: torch.device, recipe: Recipe) -> Reads:
    """Give the quickest for a device: two launches for some hundred tensors where Triton is installed."""
    fused = _fused() if device.type == "cuda" else None
    return PlainReads(recipe) if fused is None else fused(recipe, device)


@cache
def _fused() -> "Callable[[Recipe, torch.device], Reads] | None":
    try:
        # Imported here: it needs Triton, which comes with the CUDA builds of torch alone.
        from parity.sketch.fused import FusedReads
    except ImportError:
        return None
    return FusedReads
