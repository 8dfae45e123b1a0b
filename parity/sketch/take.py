"""A pass in sketches: every tap is read where it is, once, and no tensor is kept."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from parity.capture.version import UNCOUNTED, version_of
from parity.errors import IncompleteError
from parity.run.forward import Forward, Implementation, watch
from parity.sketch.read import require_readable
from parity.sketch.reads import PlainReads, Reads, reads_for
from parity.sketch.recipe import Recipe
from parity.sketch.row import Reading, Row, rows_of
from parity.sketch.sketch import Book

REMEMBERED = 2
"""Tensors that are held because the next taps may show them again: 32 would save 16 of 2,334 reads more."""


class _Remembered(NamedTuple):
    """A tensor that was read: held, so that its memory holds nothing else meanwhile."""

    tensor: Tensor
    address: int
    version: int
    number: int

    def is_shown_by(self, tensor: Tensor) -> bool:
        """Whether a tensor is this one: the same memory in the same layout, in which nothing was written since.

        Torch counts what its own operations write. A kernel of another library that writes in place is not counted.
        """
        own = self.tensor
        return (
            self.address == tensor.data_ptr()
            and own.shape == tensor.shape
            and own.stride() == tensor.stride()
            and own.dtype == tensor.dtype
            and own.device == tensor.device
            and self.version == version_of(tensor) != UNCOUNTED
        )


class _Shown(NamedTuple):
    """A tap, and the read of the tensor that it showed: the number it has among those of the tensor's device."""

    name: str
    device: torch.device
    number: int


class _OfDevice(NamedTuple):
    """The reads of a device, and what tensors they are of, by number."""

    reads: Reads
    kinds: list[tuple[torch.dtype, torch.Size]]


class _Pass(NamedTuple):
    """What was shown in a pass, and the reads of each device."""

    forward: Forward
    shown: list[_Shown]
    reads: dict[torch.device, _OfDevice]


@dataclass
class SketchVisitor:
    """Reads each tap in `names`; what a tap shows again unchanged is read once.

    Nothing waits for a device before `finish`, which is called when all passes have ended. `reads`: how many tensors
    were read.
    """

    recipe: Recipe
    names: frozenset[str]
    reads_of: Callable[[torch.device, Recipe], Reads] = reads_for
    book: Book = field(default_factory=Book)
    reads: int = 0
    sums: torch.dtype = torch.float64
    _passes: list[_Pass] = field(default_factory=list)
    _last: deque[_Remembered] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def begin(self, forward: Forward) -> None:
        """A pass begins."""
        self._passes.append(_Pass(forward, [], {}))

    def visit(self, name: str, tensor: Tensor) -> None:
        """Read the tensor unless it is one of the last that were read."""
        if name not in self.names:
            return
        require_readable(name, tensor)
        address = tensor.data_ptr()
        for known in self._last:
            # Asked first: it is another one nearly always.
            if known.address == address and known.is_shown_by(tensor):
                number = known.number
                break
        else:
            number = self._read(tensor)
            self._last.appendleft(_Remembered(tensor, address, version_of(tensor), number))
        self._passes[-1].shown.append(_Shown(name, tensor.device, number))

    def end(self) -> None:
        """A pass ends: let go of all tensors."""
        self._last.clear()
        for own in self._passes[-1].reads.values():
            own.reads.flush()

    def finish(self, again: Callable[[Forward, "SketchVisitor"], None]) -> None:
        """Fetch what was read; `again` runs a pass once more for another visitor, of taps that need care."""
        for seen in self._passes:
            rows, wanted = self._fetched(seen)
            if wanted:
                careful = SketchVisitor(self.recipe, wanted, lambda _, recipe: PlainReads(recipe))
                again(seen.forward, careful)
                careful.finish(again)
                rows |= {name: careful.book.rows[number] for name, number in careful.book.taps.items()}
            self.book.add((shown.name, rows[shown.name]) for shown in seen.shown)
        self._passes.clear()

    def _fetched(self, seen: _Pass) -> tuple[dict[str, Row], frozenset[str]]:
        """Give the rows of a pass by tap, and the taps to be read again."""
        rows: dict[tuple[torch.device, int], Row] = {}
        again: set[tuple[torch.device, int]] = set()
        for device, (reads, kinds) in seen.reads.items():
            readings = [
                Reading(dtype, tuple(shape), read) for (dtype, shape), read in zip(kinds, reads.fetch(), strict=True)
            ]
            rows |= {(device, number): row for number, row in enumerate(rows_of(readings))}
            again |= {(device, number) for number in reads.again}
            # What was added up in float32 once is no better for the rest.
            if readings and reads.sums == torch.float32:
                self.sums = torch.float32
        found = {shown.name: rows[shown.device, shown.number] for shown in seen.shown}
        return found, frozenset(shown.name for shown in seen.shown if (shown.device, shown.number) in again)

    def _read(self, tensor: Tensor) -> int:
        reads, device = self._passes[-1].reads, tensor.device
        own = reads.get(device)
        if own is None:
            own = reads[device] = _OfDevice(self.reads_of(device, self.recipe), [])
        own.kinds.append((tensor.dtype, tensor.shape))
        self.reads += 1
        return own.reads.ask(tensor)


def take(
    implementation: Implementation,
    forwards: Sequence[Forward],
    visitor: SketchVisitor,
    progress: Callable[[str, int, int], None],
) -> None:
    """Run the passes and let the visitor read every tap; the errors are those of `observe`."""

    def run(forward: Forward, visitor: SketchVisitor) -> None:
        visitor.begin(forward)
        watch(implementation, forward, visitor)
        visitor.end()

    for done, forward in enumerate(forwards):
        progress(f"sketch {forward.name}", done, len(forwards))
        run(forward, visitor)
    visitor.finish(run)
    progress("sketch", len(forwards), len(forwards))
    if not visitor.book.taps:
        raise IncompleteError("sketch", "no tap", "one or more", "declare taps for a pass of the case")
