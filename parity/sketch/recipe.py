"""What decides how a tensor is sketched: hashes of 32 bits from one seed, and the number of exact elements.

A tensor is read as its n elements in row-major order. Element i lies in lane i % 64 of chunk q = i // 64, and chunk q
in slot q % 24 of run q // 24. Each element is added to one of 24 x 64 buckets, as `parity.sketch.layout` says. Chunks
and runs are hashed by their low 32 bits: from 2**38 elements on, those of chunks repeat.
"""

from functools import cache
from typing import NamedTuple, TypeVar

from torch import Tensor

LANES = 64
GROUPS = 24
BUCKETS = GROUPS * LANES
WORD = 0xFFFFFFFF

# Odd constants that spread consecutive numbers (splitmix's, murmur3's and xxHash's).
RUN_STEP = 0x9E3779B1
LOW_STEP = 0xC2B2AE3D
HIGH_STEP = 0x27D4EB2F
THIRD_STEP = 0x165667B1
ELEMENT_STEP = 0x9E3779B9

_Words = TypeVar("_Words", int, Tensor)


class Seeds(NamedTuple):
    """One 32-bit word for each hash: of runs (group), of chunks (signs low and high, third), of elements."""

    group: int
    low: int
    high: int
    third: int
    element: int


class Recipe(NamedTuple):
    """How tensors are sketched; two sketches are comparable only if their seeds agree.

    `elements`: how many exact elements are kept of a tensor, all of them where it has no more. The first ones are the
    same whatever this number is.
    """

    seed: int
    elements: int

    @property
    def seeds(self) -> Seeds:
        """The words of the hashes."""
        return seeds_from(self.seed)


DEFAULT = Recipe(seed=20_261_125, elements=1024)
"""What is used unless something else is asked for: sketches are comparable only if they share it."""


@cache
def seeds_from(seed: int) -> Seeds:
    """Give the words that follow from a seed: steps of splitmix, in 32 bits."""
    return Seeds(*(mix32((seed + (number + 1) * ELEMENT_STEP) & WORD) for number in range(len(Seeds._fields))))


def mix32(words: _Words) -> _Words:
    """Mix the 32 bits of each word, one to one (the finaliser of murmur3).

    Words are whole numbers from 0 to 2**32 - 1: a Python int, or a tensor of int64, whose products may wrap: their low
    32 bits are right.
    """
    words = words ^ (words >> 16)
    words = (words * 0x85EBCA6B) & WORD
    words = words ^ (words >> 13)
    words = (words * 0xC2B2AE35) & WORD
    return words ^ (words >> 16)


def scattered(words: _Words) -> _Words:
    """Scatter the bits of each word, one to one: a difference of high bits becomes one that reaches low bits as well.

    Without it the differences of two signs turned in one bucket, 2**31 times an odd weight each, would always cancel.
    So they do by a chance of 2**-15: they are then odd multiples of 2**16.
    """
    return words ^ (words >> 15)
