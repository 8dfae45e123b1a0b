"""Fingerprints of many tensors, one after another, for little more than the time that reading them takes."""

from functools import cache

import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.metrics.exactness import SUPPORTED
from parity.metrics.fingerprint import Figures, Fingerprint, fingerprint_of, torch_figures
from parity.metrics.sources import LiveTensor


class Fingerprints:
    """Takes tensors in by name, keeps none of them, and gives their fingerprints.

    This one works in torch operations, wherever a tensor is.
    """

    def __init__(self) -> None:
        # Figures, or the number of the row where they are.
        self._entries: list[tuple[str, torch.dtype, torch.Size, Figures | int]] = []

    def add(self, name: str, tensor: Tensor) -> None:
        """Take a tensor in; raises `BadInputError` for one of another dtype than `compare` takes, or without data."""
        if tensor.dtype not in SUPPORTED:
            known = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in SUPPORTED))
            raise BadInputError(name, f"a tensor of {tensor.dtype}", f"one of {known}", "leave it out")
        self._entries.append(
            (name, tensor.dtype, tensor.shape, torch_figures(LiveTensor(tensor).read(0, tensor.numel())))
        )

    def finish(self) -> dict[str, Fingerprint]:
        """Give the fingerprints by name, in the order taken in."""
        return {
            name: fingerprint_of(tuple(shape), dtype, self._row(found) if isinstance(found, int) else found)
            for name, dtype, shape, found in self._entries
        }

    def _row(self, row: int) -> Figures:
        raise IndexError(row)


def fingerprints() -> Fingerprints:
    """Give what takes fingerprints quickest here: CPU tensors go through compiled code where numba is installed."""
    return _quickest()()


@cache
def _quickest() -> type[Fingerprints]:
    try:
        # Imported here: numba takes a moment, and everything works without it.
        from parity.metrics.compiled.fingerprints import CompiledFingerprints
    except ImportError:
        return Fingerprints
    return CompiledFingerprints
