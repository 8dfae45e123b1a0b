"""A pass in sketches: every tap is read where it is, once, and no tensor is kept."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from parity.errors import IncompleteError
from parity.run.forward import Forward, Implementation, watch
from parity.sketch.read import Reader, SketchRead, require_readable
from parity.sketch.readers import reader_for
from parity.sketch.recipe import Recipe
from parity.sketch.row import Reading, rows_of
from parity.sketch.sketch import Book

REMEMBERED = 2
"""Tensors that are held because the next taps may show them again: 32 would save 16 of 2,334 reads more."""


class _Remembered(NamedTuple):
    """A tensor that was read: held, so that its memory holds nothing else meanwhile."""

    tensor: Tensor
    version: float
    number: int

    def is_shown_by(self, tensor: Tensor) -> bool:
        """Whether a tensor is this one: the same memory in the same layout, in which nothing was written since.

        Torch counts what its own operations write. A kernel of another library that writes in place is not counted.
        """
        own = self.tensor
        return (
            own.data_ptr() == tensor.data_ptr()
            and own.shape == tensor.shape
            and own.stride() == tensor.stride()
            and own.dtype == tensor.dtype
            and own.device == tensor.device
            and self.version == _version(tensor)
        )


def _version(tensor: Tensor) -> float:
    """Give how often a tensor was written to; NaN, which equals nothing, where torch does not count."""
    return math.nan if tensor.is_inference() else tensor._version


@dataclass
class SketchVisitor:
    """Reads each tap in `names`; what a tap shows again unchanged is read once.

    Nothing waits for the device before `finish`, which is called between passes.
    """

    recipe: Recipe
    names: frozenset[str]
    reader: Reader | None = None
    book: Book = field(default_factory=Book)
    reads: int = 0
    sums: torch.dtype = torch.float64
    _readings: list[Reading] = field(default_factory=list)
    _shown: list[tuple[str, int]] = field(default_factory=list)
    _last: deque[_Remembered] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def visit(self, name: str, tensor: Tensor) -> None:
        """Read the tensor unless it is one of the last that were read."""
        if name not in self.names:
            return
        number = next((known.number for known in self._last if known.is_shown_by(tensor)), None)
        if number is None:
            require_readable(name, tensor)
            number = len(self._readings)
            self._readings.append(Reading(tensor.dtype, tuple(tensor.shape), self._read(tensor)))
            self._last.appendleft(_Remembered(tensor, _version(tensor), number))
        self._shown.append((name, number))

    def finish(self) -> None:
        """Fetch what was read since the last time, and let go of all tensors."""
        rows = rows_of(self._readings)
        self.book.add((name, rows[number]) for name, number in self._shown)
        self._readings.clear()
        self._shown.clear()
        self._last.clear()

    def _read(self, tensor: Tensor) -> SketchRead:
        reader = self.reader or reader_for(tensor.device)
        found = reader(tensor, self.recipe)
        self.reads += 1
        # What was added up in float32 once is no better for the rest.
        if found.buckets.dtype == torch.float32:
            self.sums = torch.float32
        return found


def take(
    implementation: Implementation,
    forwards: Sequence[Forward],
    visitor: SketchVisitor,
    progress: Callable[[str, int, int], None],
) -> None:
    """Run the passes and let the visitor read every tap; the errors are those of `observe`."""
    for done, forward in enumerate(forwards):
        progress(f"sketch {forward.name}", done, len(forwards))
        watch(implementation, forward, visitor)
        visitor.finish()
    progress("sketch", len(forwards), len(forwards))
    if not visitor.book.taps:
        raise IncompleteError("sketch", "no tap", "one or more", "declare taps for a pass of the case")
