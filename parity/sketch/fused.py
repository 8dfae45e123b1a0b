"""Reading on a GPU: tensors are held for a moment and read together, in two launches."""

import math
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
from parity.sketch.recipe import BUCKETS, GROUPS, LANES, Recipe, Seeds

MOST_HELD_BYTES = 2 * 2**30
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


class _Held(NamedTuple):
    """A tensor that waits to be read: it, its data, its version when it was shown, its number, chunks and parts."""

    shown: Tensor
    data: _Data
    version: int
    number: int
    chunks: int
    parts: int


class _Read(NamedTuple):
    """What one batch left on the device, by place."""

    held: list[tuple[int, tuple[int, ...], torch.dtype]]
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
        self._held: dict[int, list[_Held]] = {}
        self._bytes = self._count = 0
        self._read: list[_Read] = []
        self._others: dict[int, int] = {}
        self._changed: set[int] = set()

    def ask(self, tensor: Tensor) -> int:
        """Note a tensor and give its number. Nothing is waited for."""
        number = self._count
        self._count += 1
        kind = _KINDS.get(tensor.dtype)
        if kind is None or tensor.numel() == 0:
            self._others[number] = self._plain.ask(tensor)
            return number
        chunks = -(-tensor.numel() // LANES)
        parts = -(-chunks // (GROUPS * _PART))
        held = _Held(tensor, _data_of(tensor), version_of(tensor), number, chunks, parts)
        self._held.setdefault(kind, []).append(held)
        self._bytes += tensor.nbytes
        if self._bytes >= self._most_bytes or len(self._held[kind]) >= _MOST_HELD:
            self.flush()
        return number

    def flush(self) -> None:
        """Read what is held; it may be released then, since the device does its work in order."""
        for kind, held in self._held.items():
            self._changed |= {each.number for each in held if _is_changed(each)}
            self._read.append(self._batch(kind, held))
        self._held, self._bytes = {}, 0

    def _batch(self, kind: int, held: list[_Held]) -> _Read:
        table, parts, hashes = _laid_out(held), _parts(held), self._hashes(held)
        chunks = int(table[-1, 1:3].sum())
        blocks = int(table[:, 4].max())
        kept = max(1, self._recipe.elements)
        with torch.cuda.device(self._device):
            # Pinned, since a copy from other memory waits for the work before it.
            table, parts = (each.pin_memory().to(self._device, non_blocking=True) for each in (table, parts))
            partials = torch.empty(len(parts), GROUPS, LANES, dtype=torch.float32, device=self._device)
            whole = torch.zeros(len(held), _WHOLE, dtype=torch.int32, device=self._device)
            energies = torch.empty(chunks, dtype=torch.float32, device=self._device)
            figures = torch.empty(len(held), _FIGURES, dtype=torch.float64, device=self._device)
            elements = torch.empty(len(held), kept, dtype=torch.int32, device=self._device)
            kernels.read_kernel[(3 * len(parts),)](
                table, parts, hashes, hashes.shape[1] // GROUPS, 0, partials, whole, energies, HALF=kind, PART=_PART,
                RUNS=_WARPS // (2 if kind else 4), COLUMNS=_COLUMNS, WHOLE=_WHOLE, num_warps=_WARPS,
            )  # fmt: skip
            kernels.finish_kernel[(_PROGRAMS + -(-blocks // 8), len(held))](
                table, partials, whole, energies, figures, elements, self._recipe.seeds.element, KEPT=kept, HALF=kind,
                COUNTED=COUNTED_BLOCKS, COLUMNS=_COLUMNS, WHOLE=_WHOLE, FIGURES=_FIGURES,
                num_warps=_FINISHING_WARPS,
            )  # fmt: skip
        return _Read(
            [(each.number, tuple(each.shown.shape), each.shown.dtype) for each in held], figures, whole, elements
        )

    def _hashes(self, held: list[_Held]) -> Tensor:
        # Whole parts are read, and hashes of a turn beyond.
        runs = (max(each.parts for each in held) + 1) * _PART
        return _hashes(self._recipe.seeds, self._device, 1 << max(12, (runs - 1).bit_length()))

    def fetch(self) -> list[SketchRead]:
        """Give what was read of each tensor, by number, on the host."""
        self.flush()
        plain = self._plain.fetch()
        found = {number: plain[other] for number, other in self._others.items()}
        for batch in self._read:
            found |= self._fetched(batch)
        return [found[number] for number in range(self._count)]

    def _fetched(self, batch: _Read) -> dict[int, SketchRead]:
        figures, whole, elements = batch.figures.cpu(), batch.whole.cpu(), batch.elements.cpu()
        found = {}
        for place, (number, shape, dtype) in enumerate(batch.held):
            own, counted, size = figures[place], whole[place], math.prod(shape)
            exponents = counted[BUCKETS:_LARGEST].long()
            # What lies behind the last element is counted as zeros.
            exponents[0] = counted_elements(size) - exponents[1:].sum()
            if counted[_BEYOND]:
                self._changed.add(number)
            found[number] = SketchRead(
                buckets=own[:BUCKETS].view(GROUPS, LANES),
                checks=(counted[:BUCKETS].long() & 0xFFFFFFFF).view(GROUPS, LANES),
                positions=own[BUCKETS : BUCKETS + POSITION_BLOCKS],
                channels=own[BUCKETS + POSITION_BLOCKS :][: channel_blocks(shape)],
                exponents=exponents,
                nonfinite=torch.zeros(3, dtype=torch.int64),
                largest=counted[_LARGEST].view(torch.float32).double(),
                elements=_elements(elements[place][: min(size, self._recipe.elements)], dtype),
            )
        return found

    @property
    def again(self) -> frozenset[int]:
        """The numbers of the tensors to be read again with care; known after `fetch`."""
        return frozenset(self._changed)


def _laid_out(held: list[_Held]) -> Tensor:
    """Give the table of the kernels, on the host."""
    rows, energies, parts = [], 0, 0
    for place, (shown, data, _, _, chunks, own) in enumerate(held):
        tensor = (channel_blocks(shown.shape), shown.numel(), data.shift, data.gap)
        rows.append((data.start.data_ptr(), chunks, energies, place, *tensor, parts, own))
        energies += chunks
        parts += own
    return torch.tensor(rows, dtype=torch.int64)


def _parts(held: list[_Held]) -> Tensor:
    """Give (parts, 2) int32, on the host: the tensor that a part is of, and its first run."""
    of_each = torch.tensor([each.parts for each in held])
    tensor = torch.arange(len(held)).repeat_interleave(of_each)
    number = torch.arange(len(tensor)) - (of_each.cumsum(0) - of_each)[tensor]
    return torch.stack([tensor, number * _PART], dim=1).int()


@cache
def _hashes(seeds: Seeds, device: torch.device, runs: int) -> Tensor:
    """Give (4, runs * 24) int32, by run and group: the slot of the chunk that comes there, and its three words."""
    run, group = torch.arange(runs, device=device).unsqueeze(1), torch.arange(GROUPS, device=device)
    slot = torch.remainder(group - turns_of(run, seeds), GROUPS)
    return torch.stack([slot.int(), *(word.int() for word in words_of(run * GROUPS + slot, seeds))]).view(4, -1)


def _data_of(tensor: Tensor) -> _Data:
    """Give the data where it lies if that can be read as it is, or else of a copy."""
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


def _is_changed(held: _Held) -> bool:
    # Without a counter nobody could tell.
    return version_of(held.shown) != held.version or held.version == UNCOUNTED


def _elements(bits: Tensor, dtype: torch.dtype) -> Tensor:
    return bits.view(dtype) if dtype == torch.float32 else bits.to(torch.int16).view(dtype)
