"""Which element goes into which bucket, with which sign and which weight."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from parity.sketch.recipe import (
    ELEMENT_STEP,
    GROUPS,
    HIGH_STEP,
    LANES,
    LOW_STEP,
    RUN_STEP,
    THIRD_STEP,
    WORD,
    Recipe,
    Seeds,
    mix32,
)

RUNS = 256
"""Runs in one layout: a longer tensor is read in pieces of so many."""

_MOST_BY_MULTIPLICATION = 2**31
_HALF = 16
_WORD_BITS = 32


class Layout(NamedTuple):
    """For consecutive runs, each (runs, 24 * lanes), by bucket (group * lanes + lane).

    source: which of their elements falls into the bucket, counted from the first one; signs: 1 or -1, float64; weights:
    odd 32-bit words, int64.
    """

    source: Tensor
    signs: Tensor
    weights: Tensor


class Words(NamedTuple):
    """The hashes of consecutive chunks, int64: bits for the signs of lanes 0 to 31 and 32 to 63, and a third word."""

    low: Tensor
    high: Tensor
    third: Tensor


def words_of(chunk: Tensor, seeds: Seeds) -> Words:
    """Give mix32(q * step + s) of chunks q, for each of the three steps and seeds, modulo 2**32 inside of mix32."""
    return Words(
        _mixed(chunk, LOW_STEP, seeds.low),
        _mixed(chunk, HIGH_STEP, seeds.high),
        _mixed(chunk, THIRD_STEP, seeds.third),
    )


def turns_of(run: Tensor, seeds: Seeds) -> Tensor:
    """Give by how many groups the chunks of runs u are turned: mix32(u * RUN_STEP + s) mod 24."""
    return _mixed(run, RUN_STEP, seeds.group) % GROUPS


@lru_cache(maxsize=16)
def layout(first_run: int, seeds: Seeds, device: torch.device, lanes: int = LANES) -> Layout:
    """Lay out RUNS runs from one on, of chunks of so many lanes: 64, or 32 or 16 for words of several elements.

    Slot w of run u goes to group (w + turn) mod 24: no two chunks of a run meet. With the three words of a chunk, lane
    s = j ^ mask goes to lane j, mask being the highest bits of the third word, as many as lanes have; its sign is minus
    where bit j / 2 % 16 + 16 * (s % 2) of low (j up to 31) or high is set; the weight of all is the third word with its
    lowest bit set. The signs of two neighbours in memory are 16 bits apart, as they themselves are in 16-bit formats.
    """
    run = torch.arange(first_run, first_run + RUNS, device=device).unsqueeze(1)
    group = torch.arange(GROUPS, device=device).unsqueeze(0)
    chunk = (run * GROUPS + torch.remainder(group - turns_of(run, seeds), GROUPS)).unsqueeze(2)
    words, lane = words_of(chunk, seeds), torch.arange(lanes, device=device)
    shown = lane ^ (words.third >> (_WORD_BITS - (lanes - 1).bit_length()))
    bit = lane // 2 % _HALF + _HALF * (shown % 2)
    minus = (torch.where(lane < LANES // 2, words.low, words.high) >> bit) & 1
    source = (chunk - first_run * GROUPS) * lanes + shown
    parts = (source, (1 - 2 * minus).double(), (words.third | 1).expand(-1, -1, lanes))
    return Layout(*(part.reshape(RUNS, GROUPS * lanes) for part in parts))


@lru_cache(maxsize=64)
def element_positions(size: int, recipe: Recipe, device: torch.device) -> Tensor:
    """Give which elements of a tensor of `size` elements are kept, as int64: all, or as many as the recipe says.

    They follow from the seed, their number and the size alone, and some may be the same. Number k is at
    (mix32(k * ELEMENT_STEP + s) * size) >> 32. From 2**31 elements on the hash says which 65,536 elements, and a second
    one, mix32 of the first one with all bits turned, which of them; fewer than 65,536 last elements are then left out.
    """
    if size <= recipe.elements:
        return torch.arange(size, device=device)
    first = _mixed(torch.arange(recipe.elements, device=device), ELEMENT_STEP, recipe.seeds.element)
    if size < _MOST_BY_MULTIPLICATION:
        return (first * size) >> 32
    rows = (first * (size >> _HALF)) >> 32
    return (rows << _HALF) | (mix32(first ^ WORD) >> _HALF)


def _mixed(numbers: Tensor, step: int, seed: int) -> Tensor:
    return mix32(((numbers & WORD) * step + seed) & WORD)
