"""What blame says of a wrong value: where it was born, what pattern it has, and what it equals instead."""

from dataclasses import dataclass
from enum import Enum


class HintKind(Enum):
    """What a candidate's value turned out to be, measured against the reference's.

    CONSTANT: a resolved constant of the configuration has another value. ZERO: zero where the reference is not. MASK:
    masked on one side and not on the other. SIGN, FACTOR, OFFSET, AFFINE: the reference negated, times a constant,
    plus a constant, or both. PER_INDEX: a factor or an offset of its own for each index of an axis. FUNCTION: the two
    are related element by element (a square, another logarithm, a clamp left out). BROADCAST: the same along an axis
    along which the reference varies. SHIFT: moved along an axis, by whole samples or a fraction of one. REVERSAL,
    PERMUTATION: the indices of an axis in the opposite order, or in another one. LAYOUT: the same elements laid out
    otherwise (two axes swapped, interleaved and not one behind the other). TENSOR: another known tensor. TERM: a known
    tensor left out of a sum, or added twice. FORMULA: another combination of known tensors. STATISTIC: another
    statistic of a known tensor. ROUNDING: what another precision, or another order of rounding, gives. EDGES: equal
    but for the ends of some axes.
    """

    CONSTANT = "constant"
    ZERO = "zero"
    MASK = "mask"
    SIGN = "sign"
    FACTOR = "factor"
    OFFSET = "offset"
    AFFINE = "affine"
    PER_INDEX = "per-index"
    FUNCTION = "function"
    BROADCAST = "broadcast"
    SHIFT = "shift"
    REVERSAL = "reversal"
    PERMUTATION = "permutation"
    LAYOUT = "layout"
    TENSOR = "tensor"
    TERM = "term"
    FORMULA = "formula"
    STATISTIC = "statistic"
    ROUNDING = "rounding"
    EDGES = "edges"
