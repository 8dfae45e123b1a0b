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
_SLICES, _RUNS, _WARPS = 32, 16, 1
_COLUMNS = 7
_LARGEST, _BEYOND, _WHOLE = BUCKETS + EXPONENTS, BUCKETS + EXPONENTS + 1, BUCKETS + EXPONENTS + 2
_FIGURES = BUCKETS + POSITION_BLOCKS + MOST_CHANNEL_BLOCKS
_PROGRAMS = GROUPS + POSITION_BLOCKS + MOST_CHANNEL_BLOCKS // 8 + 1
_WORD_BYTES = 4


class _Held(NamedTuple):
    """A tensor that waits to be read: it, its data as words, its version when it was shown, and its number."""

    shown: Tensor
    data: Tensor
    version: int
    number: int


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
        held = _Held(tensor, _as_words(tensor), version_of(tensor), number)
        self._held.setdefault(kind, []).append(held)
        self._bytes += held.data.nbytes
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
        rows, energies = [], 0
        for place, each in enumerate(held):
            size = each.shown.numel()
            chunks = -(-size // LANES)
            blocks = channel_blocks(tuple(each.shown.shape))
            words = each.data.nbytes // _WORD_BYTES
            rows.append((each.data.data_ptr(), words, chunks, energies, place, blocks, size))
            energies += chunks
        most = max(row[2] for row in rows)
        runs = -(-most // GROUPS)
        hashes = _hashes(self._recipe.seeds, self._device, 1 << max(12, (runs - 1).bit_length()))
        kept = max(1, self._recipe.elements)
        with torch.cuda.device(self._device):
            # From the host's pageable memory: small enough to be taken along without waiting.
            table = torch.tensor(rows, dtype=torch.int64).to(self._device, non_blocking=True)
            partials = torch.empty(len(held), GROUPS, _SLICES, LANES, dtype=torch.float32, device=self._device)
            whole = torch.zeros(len(held), _WHOLE, dtype=torch.int32, device=self._device)
            squares = torch.empty(energies, dtype=torch.float32, device=self._device)
            figures = torch.empty(len(held), _FIGURES, dtype=torch.float64, device=self._device)
            elements = torch.empty(len(held), kept, dtype=torch.int32, device=self._device)
            kernels.read_kernel[(GROUPS * _SLICES, len(held))](
                table, hashes, hashes.shape[2], partials, whole, squares, HALF=kind, SLICES=_SLICES, RUNS=_RUNS,
                COUNTED=COUNTED_BLOCKS, COLUMNS=_COLUMNS, WHOLE=_WHOLE, num_warps=_WARPS,
            )  # fmt: skip
            kernels.finish_kernel[(_PROGRAMS, len(held))](
                table, partials, squares, figures, elements, self._recipe.seeds.element,
                KEPT=kept, HALF=kind, SLICES=_SLICES, COLUMNS=_COLUMNS, FIGURES=_FIGURES,
            )  # fmt: skip
        return _Read(
            [(each.number, tuple(each.shown.shape), each.shown.dtype) for each in held], figures, whole, elements
        )

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


@cache
def _hashes(seeds: Seeds, device: torch.device, runs: int) -> Tensor:
    """Give (4, 24, runs) int32, by group and run: the slot of the chunk that comes there, and its three words."""
    run, group = torch.arange(runs, device=device), torch.arange(GROUPS, device=device).unsqueeze(1)
    slot = torch.remainder(group - turns_of(run, seeds), GROUPS)
    return torch.stack([slot.int(), *(word.int() for word in words_of(run * GROUPS + slot, seeds))])


def _as_words(tensor: Tensor) -> Tensor:
    """Give a tensor's data, contiguous, in whole chunks of words, with zeros behind the last element."""
    flat = tensor.detach().contiguous().view(-1)
    if flat.numel() % LANES:
        return torch.nn.functional.pad(flat, (0, -flat.numel() % LANES))
    return flat.clone() if flat.data_ptr() % _WORD_BYTES else flat


def _is_changed(held: _Held) -> bool:
    # Without a counter nobody could tell.
    return version_of(held.shown) != held.version or held.version == UNCOUNTED


def _elements(bits: Tensor, dtype: torch.dtype) -> Tensor:
    return bits.view(dtype) if dtype == torch.float32 else bits.to(torch.int16).view(dtype)
