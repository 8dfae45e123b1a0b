"""What is kept of one tensor, on the host."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parity.sketch.read import SketchRead
from parity.sketch.recipe import BUCKETS
from parity.store.bits import dtype_name

DIGEST_BYTES = 8
MOST_STEPS = 2**23 - 1
"""The largest bucket of a row in steps of its scale: what a signed number of 24 bits holds."""


@dataclass(frozen=True, eq=False)
class Row:
    """A tensor's sketch as it is stored; compare two by their digests.

    `buckets` (1536,) int32 in steps of `scale`. `norm` and `largest` are of the finite elements; `positions` (32,) and
    `channels` are norms too, float32. `exponents` (256,) int64. `nonfinite` counts NaN, +inf and -inf. `elements` are
    raw bytes, row-major. Figures that their format cannot hold are infinite; then no bucket is to be trusted.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    digest: bytes
    buckets: NDArray[np.int32]
    scale: float
    norm: float
    largest: float
    nonfinite: tuple[int, int, int]
    exponents: NDArray[np.int64]
    positions: NDArray[np.float32]
    channels: NDArray[np.float32]
    elements: NDArray[np.uint8]

    @property
    def size(self) -> int:
        """The number of elements of the tensor."""
        return math.prod(self.shape)

    @property
    def values(self) -> Tensor:
        """The exact elements, 1-D, in the tensor's dtype."""
        # Torch has no view of another type of nothing.
        whole = torch.empty(self.elements.size // self.dtype.itemsize, dtype=self.dtype)
        whole.view(torch.uint8).numpy()[:] = self.elements
        return whole

    @property
    def bucket_values(self) -> NDArray[np.float64]:
        """The buckets as numbers; NaN where they are not to be trusted."""
        if not math.isfinite(self.scale):
            return np.full(BUCKETS, np.nan)
        return self.buckets.astype(np.float64) * self.scale


class Reading(NamedTuple):
    """A read that is still where the tensor was, with the tensor's dtype and shape."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    read: SketchRead


def rows_of(readings: Sequence[Reading]) -> list[Row]:
    """Fetch reads to the host, all at once, and make rows of them."""
    if not readings:
        return []
    reads = [reading.read for reading in readings]
    buckets = _fetched(reads, lambda read: read.buckets.double().flatten())
    checks = _fetched(reads, lambda read: read.checks.flatten()).astype("<u4")
    positions = _fetched(reads, lambda read: read.positions)
    exponents = _fetched(reads, lambda read: read.exponents)
    nonfinite = _fetched(reads, lambda read: read.nonfinite)
    largest = _fetched(reads, lambda read: read.largest)
    channels = _joined([read.channels for read in reads])
    elements = _joined([read.elements.contiguous().view(torch.uint8) for read in reads])
    rows = []
    for number, reading in enumerate(readings):
        steps, scale = _quantized(buckets[number])
        nan, above, below = nonfinite[number].tolist()
        row = Row(
            dtype=reading.dtype,
            shape=reading.shape,
            digest=_digest(reading, checks[number]),
            buckets=steps,
            scale=scale,
            norm=float(np.sqrt(positions[number].sum())),
            largest=float(largest[number]),
            nonfinite=(nan, above, below),
            exponents=exponents[number],
            positions=_norms(positions[number]),
            channels=_norms(channels[number]),
            elements=elements[number],
        )
        rows.append(row)
    return rows


def _fetched(reads: Sequence[SketchRead], part: Callable[[SketchRead], Tensor]) -> NDArray[Any]:
    return torch.stack([part(read) for read in reads]).cpu().numpy()


def _joined(parts: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Fetch tensors of one dtype and any length in one piece."""
    whole = torch.cat(list(parts)).cpu().numpy()
    return np.split(whole, np.cumsum([part.numel() for part in parts])[:-1])


def _quantized(buckets: NDArray[Any]) -> tuple[NDArray[np.int32], float]:
    """Give whole steps from -MOST_STEPS to MOST_STEPS, and the step; an infinite one where a sum is not finite."""
    most = float(np.abs(buckets).max())
    scale = most / MOST_STEPS
    # Of the least float64 there is no such part: then nothing of it is seen.
    if not 0 < scale < math.inf:
        return np.zeros(BUCKETS, np.int32), 0.0 if math.isfinite(most) else math.inf
    return np.clip(np.rint(buckets / scale), -MOST_STEPS, MOST_STEPS).astype(np.int32), scale


def _digest(reading: Reading, checks: NDArray[Any]) -> bytes:
    sizes = ",".join(map(str, reading.shape))
    digest = hashlib.blake2b(f"{dtype_name(reading.dtype)};{sizes}\n".encode("ascii"), digest_size=DIGEST_BYTES)
    digest.update(checks.tobytes())
    return digest.digest()


def _norms(squares: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.sqrt(squares).astype(np.float32)
