"""Whether two passes show the same bits, asked tap by tap and answered once, so that a device need not wait."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from parity.capture.version import UNCOUNTED, version_of
from parity.lockstep.arriving import Arriving
from parity.lockstep.exchange import Shown
from parity.lockstep.readers import Read, reader_for
from parity.metrics import TensorComparison, equal_by_norm

MOST_HELD_BYTES = 2 * 2**30
"""How much of both sides is held before it is read: on a GPU one launch reads it all."""


class _Asked(NamedTuple):
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


class _Held(NamedTuple):
    own: Tensor
    reference: Tensor
    versions: tuple[int, int]


class IdentityCheck:
    """Finds two scalars for each tap on the tensors' device: whether any bit differs, and the norm.

    Pairs are held for a moment and read together. Norms are summed in float32, which reads the numbers once and does
    not widen them in memory. The taps in `careful` are read at once, with sums in float64: those whose squares float32
    does not hold, and those that an implementation changes after it has shown them.
    """

    def __init__(self, careful: frozenset[str] = frozenset(), most_bytes: int = MOST_HELD_BYTES) -> None:
        self._careful, self._most_bytes = careful, most_bytes
        self._asked: list[_Asked] = []
        self._held: list[_Held] = []
        self._bytes = 0
        self._read: list[Read] = []
        self._arriving: list[Arriving] = []
        self._changed: set[str] = set()

    @property
    def careful(self) -> frozenset[str]:
        """The taps that are read at once."""
        return self._careful

    def ask(self, name: str, own: Tensor, reference: Shown) -> None:
        """Note a tap; both tensors have one shape and dtype. On a CUDA device nothing is waited for."""
        version = version_of(own)
        careful = name in self._careful or UNCOUNTED in (version, reference.version)
        if careful or (self._held and own.device != self._held[-1].own.device):
            self._flush()
        self._asked.append(_Asked(name, tuple(own.shape), own.dtype))
        self._held.append(_Held(own.detach(), reference.tensor.detach(), (version, reference.version)))
        self._bytes += own.nbytes + reference.tensor.nbytes
        if careful or self._bytes >= self._most_bytes:
            self._flush(torch.float64 if careful else torch.float32)

    def close(self) -> None:
        """No tap follows: send what was found on its way to the host, which need not wait for it yet."""
        self._flush()
        self._arriving = [Arriving(self._read)] if self._read else []
        self._read = []

    def again(self) -> frozenset[str]:
        """Name the taps to be asked again with care, where nothing is known to differ."""
        differ, norms = self._found()
        if any(different and name not in self._changed for different, name in zip(differ, self._names, strict=True)):
            return frozenset()
        overflowing = {name for name, norm in zip(self._names, norms, strict=True) if not math.isfinite(norm)}
        return frozenset(overflowing | self._changed)

    def answer(self) -> dict[str, TensorComparison] | None:
        """Give the comparison of each tap by name where all show the same finite numbers; None where not."""
        differ, norms = self._found()
        if not self._asked or self._changed or any(differ) or not all(map(math.isfinite, norms)):
            return None
        return {
            asked.name: equal_by_norm(asked.shape, asked.dtype, norm)
            for asked, norm in zip(self._asked, norms, strict=True)
        }

    @property
    def _names(self) -> list[str]:
        return [asked.name for asked in self._asked]

    def _flush(self, sums: torch.dtype = torch.float32) -> None:
        if not self._held:
            return
        for asked, held in zip(self._asked[-len(self._held) :], self._held, strict=True):
            if (version_of(held.own), version_of(held.reference)) != held.versions:
                self._changed.add(asked.name)
        read = reader_for(self._held[0].own.device)
        self._read.append(read([(held.own, held.reference) for held in self._held], sums))
        self._held, self._bytes = [], 0

    def _found(self) -> tuple[list[bool], list[float]]:
        if self._held or self._read:
            self.close()
        rows = [arriving.values() for arriving in self._arriving]
        return [value != 0 for differ, _ in rows for value in differ], [v**0.5 for _, squares in rows for v in squares]
