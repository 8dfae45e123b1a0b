"""Reading on a GPU: tensors are held for a moment and read together, in two launches."""

from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from parity.capture.version import UNCOUNTED, version_of
from parity.sketch import kernels
from parity.sketch.layout import turns_of, words_of
from parity.sketch.read import (
    COUNTED_BLOCKS,
    EXPONENTS,
    MOST_CHANNEL_BLOCKS,
    POSITION_BLOCKS,
    SketchRead,
    channel_blocks,
    counted_elements,
)
from parity.sketch.reads import PlainReads
from parity.sketch.recipe import BUCKETS, GROUPS, LANES, WORD, Recipe, Seeds

MOST_HELD_BYTES = 4 * 2**30
_MOST_HELD = 512
# How a kernel reads the words of a dtype: one element each, or two of either 16-bit format.
_KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
# Runs of a part, and warps of a program that reads and of one that finishes.
_PART, _WARPS, _FINISHING_WARPS = 256, 4, 8
_COLUMNS = 10
_LARGEST, _BEYOND, _WHOLE = BUCKETS + EXPONENTS, BUCKETS + EXPONENTS + 1, BUCKETS + EXPONENTS + 2
_FIGURES = BUCKETS + POSITION_BLOCKS + MOST_CHANNEL_BLOCKS
_PROGRAMS = 12 + COUNTED_BLOCKS
_WORD_BYTES, _PAIR_BYTES = 4, 8


class _Data(NamedTuple):
    """A tensor's elements in whole chunks: behind each 2 ** shift of them lie `gap` words that are not the tensor's."""

    start: Tensor
    shift: int = 0
    gap: int = 0


@dataclass(slots=True)
class _Batch:
    """Tensors of one kind that wait to be read.

    rows: of each, address, chunks, blocks of channels, elements, shift, gap and parts. data: what is read of each,
    which is itself or a copy.
    """

    shown: list[Tensor] = field(default_factory=list)
    data: list[Tensor] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rows: list[tuple[int, ...]] = field(default_factory=list)
    bytes: int = 0

    def add(self, tensor: Tensor, number: int) -> None:
        """Hold a tensor."""
        data, shift, gap = _data_of(tensor)
        size = tensor.numel()
        chunks = -(-size // LANES)
        parts = -(-chunks // (GROUPS * _PART))
        self.shown.append(tensor)
        self.data.append(data)
        self.versions.append(version_of(tensor))
        self.numbers.append(number)
        self.rows.append((data.data_ptr(), chunks, channel_blocks(tensor.shape), size, shift, gap, parts))
        self.bytes += tensor.nbytes

    def changed(self) -> set[int]:
        """Give the numbers of those that were written to since; without a counter nobody could tell."""
        return {
            number
            for tensor, version, number in zip(self.shown, self.versions, self.numbers, strict=True)
            if version == UNCOUNTED or version_of(tensor) != version
        }


class _Read(NamedTuple):
    """What one batch left on the device, by place, and the numbers of its tensors."""

    numbers: list[int]
    figures: Tensor
    whole: Tensor
    elements: Tensor


class FusedReads:
    """Reads tensors of one GPU as `PlainReads` does, but for sums in float32 of up to some hundred elements.

    Tensors are held until `most_bytes` of them are there, and read in one launch. `again` then names by their numbers
    those to be read by `PlainReads`, which reads at once and in float64: they were written to while they were held, or
    hold squares that float32 does not, or something that is not finite.
    """

    sums = torch.float32

    def __init__(self, recipe: Recipe, device: torch.device, most_bytes: int = MOST_HELD_BYTES):
        self._recipe, self._device, self._most_bytes = recipe, device, most_bytes
        self._plain = PlainReads(recipe)
        self._held: dict[int, _Batch] = {}
        self._read: list[_Read] = []
        # Of each tensor, by number; of those that are not held, the number that `PlainReads` gave.
        self._kinds: list[tuple[torch.dtype, torch.Size]] = []
        self._others: dict[int, int] = {}
        self._changed: set[int] = set()

    def ask(self, tensor: Tensor) -> int:
        """Note a tensor and give its number. Nothing is waited for."""
        number = len(self._kinds)
        self._kinds.append((tensor.dtype, tensor.shape))
        kind = _KINDS.get(tensor.dtype)
        if kind is None or tensor.numel() == 0:
            self._others[number] = self._plain.ask(tensor)
            return number
        batch = self._held.get(kind)
        if batch is None:
            batch = self._held[kind] = _Batch()
        batch.add(tensor, number)
        if batch.bytes >= self._most_bytes or len(batch.numbers) >= _MOST_HELD:
            self._launch(kind, self._held.pop(kind))
        return number

    def flush(self) -> None:
        """Read what is held; it may be released then, since the device does its work in order."""
        for kind, batch in self._held.items():
            self._launch(kind, batch)
        self._held = {}

    def _launch(self, kind: int, batch: _Batch) -> None:
        self._changed |= batch.changed()
        table, hashes = _laid_out(batch), self._hashes(batch)
        parts = _parts(table)
        kept, places = max(1, self._recipe.elements), len(batch.numbers)
        chunks, blocks = int(table[-1, 1:3].sum()), int(table[:, 4].max())
        with torch.cuda.device(self._device):
            # Pinned, since a copy from other memory waits for the work before it.
            table, parts = (each.pin_memory().to(self._device, non_blocking=True) for each in (table, parts))
            partials = torch.empty(len(parts), GROUPS, LANES, dtype=torch.float32, device=self._device)
            whole = torch.zeros(places, _WHOLE, dtype=torch.int32, device=self._device)
            energies = torch.empty(chunks, dtype=torch.float32, device=self._device)
            figures = torch.empty(places, _FIGURES, dtype=torch.float64, device=self._device)
            elements = torch.empty(places, kept, dtype=torch.int32, device=self._device)
            kernels.read_kernel[(3 * len(parts),)](
                table, parts, hashes, hashes.shape[1] // GROUPS, 0, partials, whole, energies, HALF=kind, PART=_PART,
                RUNS=_WARPS // (2 if kind else 4), COLUMNS=_COLUMNS, WHOLE=_WHOLE, num_warps=_WARPS,
            )  # fmt: skip
            kernels.finish_kernel[(_PROGRAMS + -(-blocks // 8), places)](
                table, partials, whole, energies, figures, elements, self._recipe.seeds.element, KEPT=kept, HALF=kind,
                COUNTED=COUNTED_BLOCKS, COLUMNS=_COLUMNS, WHOLE=_WHOLE, FIGURES=_FIGURES, num_warps=_FINISHING_WARPS,
            )  # fmt: skip
        self._read.append(_Read(batch.numbers, figures, whole, elements))

    def _hashes(self, batch: _Batch) -> Tensor:
        # Whole parts are read, and hashes of a turn beyond.
        runs = (max(row[-1] for row in batch.rows) + 1) * _PART
        return _hashes(self._recipe.seeds, self._device, 1 << max(12, (runs - 1).bit_length()))

    def fetch(self) -> list[SketchRead]:
        """Give what was read of each tensor, by number, on the host."""
        self.flush()
        plain = self._plain.fetch()
        found = {number: plain[other] for number, other in self._others.items()}
        for batch in self._read:
            found |= self._fetched(batch)
        return [found[number] for number in range(len(self._kinds))]

    def _fetched(self, batch: _Read) -> dict[int, SketchRead]:
        # Whole batches at a time: a tensor's own share of this is to be a few views.
        figures, whole, elements = batch.figures.cpu(), batch.whole.cpu(), batch.elements.cpu()
        kinds = [self._kinds[number] for number in batch.numbers]
        self._changed.update(
            number for number, beyond in zip(batch.numbers, whole[:, _BEYOND].tolist(), strict=True) if beyond
        )
        exponents = whole[:, BUCKETS:_LARGEST].long()
        # What lies behind the last element is counted as zeros.
        counted = torch.tensor([counted_elements(shape.numel()) for _, shape in kinds])
        exponents[:, 0] = counted - exponents[:, 1:].sum(dim=1)
        parts = zip(
            batch.numbers,
            kinds,
            figures[:, :BUCKETS].unflatten(1, (GROUPS, LANES)),
            (whole[:, :BUCKETS].long() & WORD).unflatten(1, (GROUPS, LANES)),
            figures[:, BUCKETS : BUCKETS + POSITION_BLOCKS],
            figures[:, BUCKETS + POSITION_BLOCKS :],
            exponents,
            whole[:, _LARGEST].contiguous().view(torch.float32).double(),
            _elements(elements, kinds[0][0]),
            strict=True,
        )
        none = torch.zeros(3, dtype=torch.int64)
        return {
            number: SketchRead(
                buckets, checks, positions, channels[: channel_blocks(shape)], bins, none, largest,
                kept[: min(shape.numel(), self._recipe.elements)],
            )
            for number, (_, shape), buckets, checks, positions, channels, bins, largest, kept in parts
        }  # fmt: skip

    @property
    def again(self) -> frozenset[int]:
        """The numbers of the tensors to be read again with care; known after `fetch`."""
        return frozenset(self._changed)


def _laid_out(batch: _Batch) -> Tensor:
    """Give the table of the kernels, on the host."""
    address, chunks, blocks, size, shift, gap, parts = torch.tensor(batch.rows, dtype=torch.int64).unbind(dim=1)
    place = torch.arange(len(batch.rows))
    before = (chunks.cumsum(0) - chunks, parts.cumsum(0) - parts)
    return torch.stack((address, chunks, before[0], place, blocks, size, shift, gap, before[1], parts), dim=1)


def _parts(table: Tensor) -> Tensor:
    """Give (parts, 2) int32, on the host: the tensor that a part is of, and its first run."""
    first, of_each = table[:, -2:].unbind(dim=1)
    tensor = torch.arange(len(table)).repeat_interleave(of_each)
    number = torch.arange(len(tensor)) - first[tensor]
    return torch.stack([tensor, number * _PART], dim=1).int()


@cache
def _hashes(seeds: Seeds, device: torch.device, runs: int) -> Tensor:
    """Give (4, runs * 24) int32, by run and group: the slot of the chunk that comes there, and its three words."""
    run, group = torch.arange(runs, device=device).unsqueeze(1), torch.arange(GROUPS, device=device)
    slot = torch.remainder(group - turns_of(run, seeds), GROUPS)
    return torch.stack([slot.int(), *(word.int() for word in words_of(run * GROUPS + slot, seeds))]).view(4, -1)


def _data_of(tensor: Tensor) -> _Data:
    """Give the data where it lies if that can be read as it is, or else of a copy."""
    # Nearly all are, and to look at axes takes longer.
    if tensor.is_contiguous() and not (tensor.numel() % LANES or tensor.data_ptr() % _PAIR_BYTES):
        return _Data(tensor)
    return _rows_of(tensor) or _copied(tensor.detach())


def _rows_of(tensor: Tensor) -> _Data | None:
    """Give the data where it lies, if it is rows of 64 * 2 ** n elements that are all as far apart; otherwise None.

    That is what is contiguous, and a slice of the last axis, as shifts, scales and gates of a modulation are.
    """
    axes = _merged(tensor)
    length, step = axes.pop() if axes else (1, 1)
    rows, apart = axes.pop() if axes else (1, length)
    chunks, gap = length // LANES, (apart - length) * tensor.element_size()
    regular = step == 1 and not axes and length % LANES == 0 and gap >= 0
    aligned = gap % _PAIR_BYTES == 0 and tensor.data_ptr() % _PAIR_BYTES == 0
    if not regular or not aligned:
        return None
    if rows == 1 or gap == 0:
        return _Data(tensor)
    return _Data(tensor, chunks.bit_length() - 1, gap // _WORD_BYTES) if chunks & (chunks - 1) == 0 else None


def _merged(tensor: Tensor) -> list[tuple[int, int]]:
    """Give length and stride of the axes, those in one that lie behind each other without a gap."""
    axes: list[tuple[int, int]] = []
    for length, step in zip(tensor.shape, tensor.stride(), strict=True):
        if length == 1:
            continue
        if axes and axes[-1][1] == length * step:
            length *= axes.pop()[0]  # noqa: PLW2901  (one axis with the last one)
        axes.append((length, step))
    return axes


def _copied(tensor: Tensor) -> _Data:
    """Give the data in a copy, with zeros behind the last element up to a whole chunk."""
    flat = tensor.contiguous().view(-1)
    if flat.numel() % LANES:
        return _Data(torch.nn.functional.pad(flat, (0, -flat.numel() % LANES)))
    return _Data(flat.clone() if flat.data_ptr() == tensor.data_ptr() else flat)


def _elements(bits: Tensor, dtype: torch.dtype) -> Tensor:
    return bits.view(dtype) if dtype == torch.float32 else bits.to(torch.int16).view(dtype)
