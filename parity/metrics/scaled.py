"""Sums of squares and products over the whole float64 range, where a plain sum would overflow or vanish.

A difference of 1e-200 squares to zero. Without the scaling here two float64 tensors that differ could report
a relative error of 0/0, which is the one wrong answer a parity harness must not give.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

# Outside these a sum of squares may have lost elements to underflow, or have overflowed.
LEAST_SQUARES, MOST_SQUARES = 1e-200, 1e200
# Powers of two within this are normal float64 numbers.
_NORMAL_POWER = 1000


class Rescaled(NamedTuple):
    """Values divided by 2**shift, and the sum of their squares after that division."""

    values: Tensor
    shift: int
    squares: float

    @property
    def is_finite(self) -> bool:
        """Whether every value is finite: one NaN or infinity is enough to spoil the sum of squares."""
        return math.isfinite(self.squares)


def inner_product(left: Tensor, right: Tensor) -> float:
    """Sum of products, without BLAS: its threads make short vectors slow and the last bits vary by machine."""
    return float((left * right).sum())


def rescaled(values: Tensor) -> Rescaled:
    """Float64 values brought by a power of two to where their squares neither overflow nor vanish."""
    squares = inner_product(values, values)
    if LEAST_SQUARES < squares < MOST_SQUARES or not values.numel():
        return Rescaled(values, 0, squares)
    largest = float(values.abs().max())
    if largest == 0 or not math.isfinite(largest):
        return Rescaled(values, 0, squares if largest == 0 else math.nan)
    shift = math.frexp(largest)[1]
    values = times_power(values, -shift)
    return Rescaled(values, shift, inner_product(values, values))


def times_power(values: Tensor, exponent: int) -> Tensor:
    """Float64 values times 2**exponent, whatever the exponent."""
    while exponent:
        step = max(-_NORMAL_POWER, min(_NORMAL_POWER, exponent))
        values = values * math.ldexp(1.0, step)
        exponent -= step
    return values


@dataclass(slots=True)
class ScaledSum:
    """A running sum held as mantissa * 2**exponent."""

    mantissa: float = 0.0
    exponent: int = 0

    def add(self, mantissa: float, exponent: int) -> None:
        """Add mantissa * 2**exponent."""
        if exponent == self.exponent:
            self.mantissa += mantissa
        elif self.mantissa == 0:
            self.mantissa, self.exponent = mantissa, exponent
        elif mantissa != 0:
            top = max(self.exponent, exponent)
            own = math.ldexp(self.mantissa, self.exponent - top)
            self.mantissa, self.exponent = own + math.ldexp(mantissa, exponent - top), top

    def add_squares(self, part: Rescaled) -> None:
        """Add the sum of squares of the values before they were rescaled."""
        self.add(part.squares, 2 * part.shift)

    def merge(self, other: "ScaledSum") -> None:
        """Add another running sum."""
        self.add(other.mantissa, other.exponent)

    def root(self) -> float:
        """Square root of a sum of squares (its exponent is even); +inf where it is too large."""
        return _times_power(math.sqrt(self.mantissa), self.exponent // 2)


def root_ratio(top: ScaledSum, bottom: ScaledSum, both_zero: float) -> float:
    """sqrt(top / bottom) of two sums of squares; `both_zero` for 0/0, +inf for x/0."""
    if bottom.mantissa == 0:
        return both_zero if top.mantissa == 0 else math.inf
    quotient = math.sqrt(top.mantissa) / math.sqrt(bottom.mantissa)
    return _times_power(quotient, (top.exponent - bottom.exponent) // 2)


def cosine(product: ScaledSum, left: ScaledSum, right: ScaledSum) -> float:
    """Cosine from a sum of products and two sums of squares; 1 between two zero vectors, 0 for one."""
    if left.mantissa == 0 or right.mantissa == 0:
        return float(left.mantissa == right.mantissa)
    quotient = product.mantissa / math.sqrt(left.mantissa) / math.sqrt(right.mantissa)
    value = _times_power(quotient, product.exponent - (left.exponent + right.exponent) // 2)
    # Rounding may carry a cosine past 1 by an ulp.
    return max(-1.0, min(1.0, value))


def _times_power(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
