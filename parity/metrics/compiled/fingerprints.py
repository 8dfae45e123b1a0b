"""Fingerprints by compiled code."""

from array import array
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from parity.metrics.compiled import fingerprint as at
from parity.metrics.compiled.kinds import KINDS
from parity.metrics.fingerprint import Figures, signs
from parity.metrics.fingerprints import Fingerprints

# Tensors whose figures lie on one page.
_PAGE = 64
# Counts are of 32 bits.
_MOST_ELEMENTS = 2**32 - 1
_STRIDED = torch.strided


@cache
def _pass() -> Callable[[int, int, int, int], int]:
    return at.fingerprint_pass()


class CompiledFingerprints(Fingerprints):
    """Takes CPU tensors through compiled code, which writes the figures of each to a row of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._run = _pass()
        self._signs, self._room = signs(), np.zeros(at.ROOM_BYTES, np.uint8)
        self._counts: list[npt.NDArray[np.uint32]] = []
        self._sums: list[npt.NDArray[np.float64]] = []
        self._rows = 0
        self._job = array("q", bytes(8 * at.JOB_FIELDS))
        self._job[at.SIGNS], self._job[at.ROOM] = self._signs.ctypes.data, self._room.ctypes.data
        self._address = self._job.buffer_info()[0]

    def add(self, name: str, tensor: Tensor) -> None:
        """Take a tensor in; see `Fingerprints.add`.

        A tap costs a few microseconds, of which calls of Python functions would be the most: so all is in this one.
        """
        dtype, elements = tensor.dtype, tensor.numel()
        kind = KINDS.get(dtype, -1)
        plain = tensor.is_cpu and tensor.layout is _STRIDED and not tensor.is_neg()
        if kind < 0 or not plain or elements > _MOST_ELEMENTS:
            super().add(name, tensor)
            return
        laid_out = tensor if tensor.is_contiguous() else tensor.contiguous()
        row = self._rows
        if row % _PAGE == 0:
            self._turn()
        self._run(laid_out.data_ptr(), kind, elements, self._address)
        self._rows = row + 1
        self._entries.append((name, dtype, tensor.shape, row))

    def _turn(self) -> None:
        self._counts.append(np.zeros((_PAGE, at.COUNT_FIELDS), np.uint32))
        self._sums.append(np.zeros((_PAGE, at.SUM_FIELDS)))
        self._job[at.COUNTS], self._job[at.SUMS] = self._counts[-1].ctypes.data, self._sums[-1].ctypes.data

    def _row(self, row: int) -> Figures:
        counts, sums = self._counts[row // _PAGE][row % _PAGE], self._sums[row // _PAGE][row % _PAGE].tolist()
        nan, positive, negative = counts[at.VALUES : at.SIZES].tolist()
        first, second, third, fourth = sums[at.POWERS : at.ABSOLUTE]
        a, b, c, d = sums[at.PROJECTIONS :]
        return Figures(
            nonfinite=(nan, positive, negative),
            powers=(first, second, third, fourth),
            absolute=sums[at.ABSOLUTE],
            least=sums[at.LEAST],
            most=sums[at.MOST],
            sizes=counts[at.SIZES :].astype(np.int64),
            projections=(a, b, c, d),
        )
