"""The same figures a second way: exact rational arithmetic, one element at a time, no bits and no numpy."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import torch

# Significand bits, least exponent, greatest exponent.
FORMATS = {
    torch.float64: (53, -1022, 1023),
    torch.float32: (24, -126, 127),
    torch.float16: (11, -14, 15),
    torch.bfloat16: (8, -126, 127),
}


def ordinal(value: float, dtype: torch.dtype) -> int:
    """Number of the representable value nearest to `value` (ties to even), counted from 0 in order."""
    significand, least, greatest = FORMATS[dtype]
    size = abs(Fraction(value))
    if size == 0:
        return 0
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent = max(least, exponent if size >= Fraction(2) ** exponent else exponent - 1)
    steps = round(size / Fraction(2) ** (exponent - significand + 1))
    number = steps + (exponent - least) * 2 ** (significand - 1)
    infinity = (greatest - least + 2) * 2 ** (significand - 1)
    number = min(number, infinity)
    return -number if value < 0 else number


def root(value: Fraction) -> float:
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 60, -9999, 9999
        return float((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


def kind(value: float) -> str:
    return "finite" if math.isfinite(value) else str(value)


class Exact:
    """Figures of a small pair of float tensors."""

    def __init__(self, candidate: torch.Tensor, reference: torch.Tensor):
        self.dtype = candidate.dtype
        self.places = list(product(*(range(size) for size in candidate.shape)))
        self.pairs = [(candidate[p].item(), reference[p].item()) for p in self.places]
        self.kept = [
            (place, Fraction(c), Fraction(r))
            for place, (c, r) in zip(self.places, self.pairs, strict=True)
            if math.isfinite(c) and math.isfinite(r)
        ]
        self.errors = [abs(c - r) for _, c, r in self.kept]
        self.candidate_squares = sum((c * c for _, c, _ in self.kept), Fraction(0))
        self.reference_squares = sum((r * r for _, _, r in self.kept), Fraction(0))
        self.error_squares = sum((e * e for e in self.errors), Fraction(0))

    @staticmethod
    def _root_of_ratio(top: Fraction, bottom: Fraction, both_zero: float) -> float:
        if bottom == 0:
            return both_zero if top == 0 else math.inf
        return root(top / bottom)

    @property
    def relative_l2(self) -> float:
        return self._root_of_ratio(self.error_squares, self.reference_squares, 0.0)

    @property
    def norm_ratio(self) -> float:
        return self._root_of_ratio(self.candidate_squares, self.reference_squares, 1.0)

    @property
    def cosine(self) -> float:
        if self.candidate_squares == 0 or self.reference_squares == 0:
            return float(self.candidate_squares == self.reference_squares)
        inner = sum((c * r for _, c, r in self.kept), Fraction(0))
        size = root(inner * inner / (self.candidate_squares * self.reference_squares))
        return size if inner > 0 else -size

    @property
    def bias(self) -> float:
        return float(sum((c - r for _, c, r in self.kept), Fraction(0)) / len(self.kept))

    @property
    def distances(self) -> list[int]:
        return [abs(ordinal(float(c), self.dtype) - ordinal(float(r), self.dtype)) for _, c, r in self.kept]

    def close_fraction(self, rtol: float, atol: float) -> float:
        near = sum(float(abs(c - r)) <= atol + rtol * abs(float(r)) for _, c, r in self.kept)
        equal_infinities = sum(c == r for c, r in self.pairs if math.isinf(c))
        return (near + equal_infinities) / len(self.pairs)

    def worst(self, count: int) -> list[tuple[tuple[int, ...], float, float, float]]:
        rows = [
            (place, float(c), float(r), float(e))
            for (place, c, r), e in zip(self.kept, self.errors, strict=True)
            if e > 0
        ]
        return sorted(rows, key=lambda row: (-row[3], row[0]))[:count]

    def shares(self, axis: int, size: int) -> list[Fraction]:
        sums = [Fraction(0)] * size
        for (place, _, _), error in zip(self.kept, self.errors, strict=True):
            sums[place[axis]] += error * error
        return [part / self.error_squares for part in sums]
