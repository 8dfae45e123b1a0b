"""Which element goes into which bucket, with which sign and which weight."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from parity.sketch.recipe import (
    BUCKETS,
    ELEMENT_STEP,
    GROUPS,
    HIGH_STEP,
    LANE_STEP,
    LANES,
    LOW_STEP,
    RUN_STEP,
    WEIGHT_STEP,
    WORD,
    Recipe,
    Seeds,
    mix32,
)

RUNS = 256
"""Runs in one layout: a longer tensor is read in pieces of so many."""

_MOST_BY_MULTIPLICATION = 2**31
_HALF = 16


class Layout(NamedTuple):
    """For consecutive runs, each (runs, BUCKETS), by bucket (group * 64 + lane).

    source: which of their elements falls into the bucket, counted from the first one; signs: 1 or -1, float64; weights:
    odd 32-bit words, int64.
    """

    source: Tensor
    signs: Tensor
    weights: Tensor


@lru_cache(maxsize=8)
def layout(first_run: int, seeds: Seeds, device: torch.device) -> Layout:
    """Lay out RUNS runs from one on.

    Slot w of run u goes to group (w + mix32(u * RUN_STEP + s) mod 24) mod 24: no two chunks of a run meet. Lane j of
    chunk q goes to lane j ^ (mix32(q * LANE_STEP + s) & 63); its sign is minus where bit j of the two words
    mix32(q * LOW_STEP + s) (lanes 0 to 31) and mix32(q * HIGH_STEP + s) is set; its weight is
    mix32(q * WEIGHT_STEP + s) | 1. Products and sums inside of mix32 are taken modulo 2**32.
    """
    run = torch.arange(first_run, first_run + RUNS, device=device).unsqueeze(1)
    group = torch.arange(GROUPS, device=device).unsqueeze(0)
    slot = torch.remainder(group - _mixed(run, RUN_STEP, seeds.group) % GROUPS, GROUPS)
    chunk = (run * GROUPS + slot).unsqueeze(2)
    lane = torch.arange(LANES, device=device) ^ (_mixed(chunk, LANE_STEP, seeds.lane) & (LANES - 1))
    low, high = _mixed(chunk, LOW_STEP, seeds.low), _mixed(chunk, HIGH_STEP, seeds.high)
    minus = (torch.where(lane < LANES // 2, low, high) >> (lane % (LANES // 2))) & 1
    weights = (_mixed(chunk, WEIGHT_STEP, seeds.weight) | 1).expand(-1, -1, LANES)
    source = (chunk - first_run * GROUPS) * LANES + lane
    return Layout(*(part.reshape(RUNS, BUCKETS) for part in (source, (1 - 2 * minus).double(), weights)))


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
