"""Whether two passes show the same bits, asked tap by tap and answered once, so that a device need not wait."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from parity.metrics import TensorComparison, equal_by_norm
from parity.run.judging import as_bits


class _Asked(NamedTuple):
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


class IdentityCheck:
    """Notes two scalars for each tap on the tensors' device: whether any bit differs, and the norm.

    Norms are summed in float32, which reads the numbers once and does not widen them in memory; those of the taps in
    `wide`, whose squares float32 does not hold, in float64.
    """

    def __init__(self, wide: frozenset[str] = frozenset()) -> None:
        self._wide = wide
        self._asked: list[_Asked] = []
        self._differ: list[Tensor] = []
        self._norms: list[Tensor] = []

    def ask(self, name: str, own: Tensor, reference: Tensor) -> None:
        """Note a tap; both tensors have one shape and dtype. On a CUDA device nothing is waited for."""
        self._asked.append(_Asked(name, tuple(own.shape), own.dtype))
        self._differ.append(torch.ne(as_bits(own.detach()), as_bits(reference.detach()).to(own.device)).any())
        self._norms.append(_norm(own.detach(), torch.float64 if name in self._wide else torch.float32))

    def overflowing(self) -> frozenset[str]:
        """Name the taps whose norm is not finite, where every bit agrees: to be asked again with wider sums."""
        if any(_read(self._differ)):
            return frozenset()
        norms = _read(self._norms)
        return frozenset(asked.name for asked, norm in zip(self._asked, norms, strict=True) if not math.isfinite(norm))

    def answer(self) -> dict[str, TensorComparison] | None:
        """Give the comparison of each tap by name where all show the same finite numbers; None where not."""
        if not self._asked:
            return None
        differ, norms = _read(self._differ), _read(self._norms)
        if any(differ) or not all(map(math.isfinite, norms)):
            return None
        return {
            asked.name: equal_by_norm(asked.shape, asked.dtype, norm)
            for asked, norm in zip(self._asked, norms, strict=True)
        }


def _norm(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    wide = torch.float64 if tensor.dtype == torch.float64 else dtype
    floats = tensor if tensor.is_floating_point() else tensor.to(wide)
    return torch.linalg.vector_norm(floats, dtype=wide).double()


def _read(scalars: list[Tensor]) -> list[float]:
    # One transfer for all that are on one device; resolved constants are on the CPU.
    found = [0.0] * len(scalars)
    for device in {scalar.device for scalar in scalars}:
        here = [index for index, scalar in enumerate(scalars) if scalar.device == device]
        values = torch.stack([scalars[index].double() for index in here]).tolist()
        for index, value in zip(here, values, strict=True):
            found[index] = value
    return found
