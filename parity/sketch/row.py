"""What is kept of one tensor, on the host."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
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
    buckets, scales = _quantized(torch.stack([read.buckets for read in reads]).double().flatten(1))
    checks = _low_words(torch.stack([read.checks for read in reads])).cpu().numpy()
    squares = _fetched(reads, lambda read: read.positions)
    norms, positions = np.sqrt(squares.sum(axis=1)).tolist(), _norms(squares)
    exponents = _fetched(reads, lambda read: read.exponents)
    nonfinite = _fetched(reads, lambda read: read.nonfinite).tolist()
    largest = _fetched(reads, lambda read: read.largest).tolist()
    channels = _joined([read.channels for read in reads], _norms)
    elements = _joined([read.elements.contiguous().view(torch.uint8) for read in reads])
    return [
        Row(
            dtype=reading.dtype,
            shape=reading.shape,
            digest=_digest(reading, checks[number]),
            buckets=buckets[number],
            scale=scales[number],
            norm=norms[number],
            largest=largest[number],
            nonfinite=tuple(nonfinite[number]),
            exponents=exponents[number],
            positions=positions[number],
            channels=channels[number],
            elements=elements[number],
        )
        for number, reading in enumerate(readings)
    ]


def _fetched(reads: Sequence[SketchRead], part: Callable[[SketchRead], Tensor]) -> NDArray[Any]:
    return torch.stack([part(read) for read in reads]).cpu().numpy()


def _joined(parts: Sequence[Tensor], made: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray) -> list[NDArray[Any]]:
    """Fetch tensors of one dtype and any length in one piece, make something of it, and take it apart again."""
    whole = made(torch.cat(list(parts)).cpu().numpy())
    ends = list(accumulate(part.numel() for part in parts))
    return [whole[end - part.numel() : end] for end, part in zip(ends, parts, strict=True)]


def _quantized(buckets: Tensor) -> tuple[NDArray[np.int32], list[float]]:
    """Give whole steps from -MOST_STEPS to MOST_STEPS for each row, and its step: infinite where a sum is not finite.

    Of the least float64 there is no such part: then the step is 0, and nothing is seen.
    """
    most = buckets.abs().amax(dim=1, keepdim=True)
    scale = most / MOST_STEPS
    usable = (scale > 0) & most.isfinite()
    if not usable.all():
        buckets = buckets.where(usable, 0.0)
    steps = (buckets / scale.where(usable, 1.0)).round_().clamp_(-MOST_STEPS, MOST_STEPS)
    scales = scale.where(most.isfinite(), math.inf)[:, 0]
    return steps.int().cpu().numpy(), scales.tolist()


def _low_words(checks: Tensor) -> Tensor:
    """Give the low 32 bits of 64, as int32 with the same bits."""
    return checks.view(torch.int32)[..., ::2].contiguous() if checks.dtype == torch.int64 else checks


def _digest(reading: Reading, checks: NDArray[Any]) -> bytes:
    sizes = ",".join(map(str, reading.shape))
    digest = hashlib.blake2b(f"{dtype_name(reading.dtype)};{sizes}\n".encode("ascii"), digest_size=DIGEST_BYTES)
    digest.update(checks.tobytes())
    return digest.digest()


def _norms(squares: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.sqrt(squares).astype(np.float32)
