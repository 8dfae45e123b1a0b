"""What blame says of a wrong value: where it was born, what pattern it has, and what it equals instead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    statistic of a known tensor. FILTER: filtered along an axis. ROUNDING: what another precision, or another order of
    rounding, gives. EDGES: equal but for the ends of some axes.
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
    FILTER = "filter"
    ROUNDING = "rounding"
    EDGES = "edges"


@dataclass(frozen=True)
class Hint:
    """What a wrong value equals, in words with the numbers, and how well it was verified.

    `residual` is what the statement leaves of the error, relative to it, on elements that nothing was fitted to;
    `evidence` the bits by which those elements speak for it, those spent on choosing among alternatives taken off.
    """

    kind: HintKind
    words: str
    residual: float
    evidence: float


@dataclass(frozen=True)
class Blame:
    """Where a wrong value was born: the tap, the part of the model, the pattern of the error, and what it equals.

    `part` is None where the binding's table names none, `hint` where no statement held. `kind` is the hint's, `mode`
    the one in which the value was read, `places` the tap's port in each implementation.
    """

    tap: str
    part: str | None
    pattern: str
    hint: str | None
    evidence: str
    kind: HintKind | None = None
    mode: str = "chained"
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The blame in one sentence, without the tap's name."""
        told = [f"{self.part}: {self.pattern}" if self.part else self.pattern]
        if self.hint is not None:
            told.append(f"the candidate {self.hint}")
        return "; ".join(told)
