"""Bits, exact widening to float64, and differences of two pieces of any supported dtypes."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from parity.errors import BadInputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BIT_VIEWS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}
INTEGER_DTYPES = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
SUPPORTED = frozenset(BIT_VIEWS) | INTEGER_DTYPES
_EXACT_INTEGERS = 2**53


class Pair(NamedTuple):
    """The same range of elements of both sides: one-dimensional CPU tensors in their own dtypes."""

    candidate: torch.Tensor
    reference: torch.Tensor

    @property
    def are_integers(self) -> bool:
        """Whether both sides hold whole numbers or flags."""
        return self.candidate.dtype in INTEGER_DTYPES and self.reference.dtype in INTEGER_DTYPES

    def cut(self, start: int, stop: int) -> "Pair":
        """Elements [start, stop) of this pair."""
        return Pair(self.candidate[start:stop], self.reference[start:stop])


def same_bits(pair: Pair) -> bool:
    """Whether both pieces have one dtype and the same bits throughout: -0.0 is not 0.0, a NaN is itself."""
    left, right = pair
    if left.dtype != right.dtype:
        return False
    bits = BIT_VIEWS.get(left.dtype, left.dtype)
    return bool((left.view(bits).numpy() == right.view(bits).numpy()).all())


def widened(piece: torch.Tensor) -> Floats:
    """Values as float64: exact for every supported float, and for whole numbers up to 2**53."""
    return piece.to(torch.float64).numpy()


def integers(piece: torch.Tensor) -> Integers:
    """Whole numbers or flags as int64."""
    return piece.to(torch.int64).numpy()


def integer_distance(left: Integers, right: Integers) -> npt.NDArray[np.uint64]:
    """|left - right|, exact even where the difference of two int64 needs 64 bits."""
    # Two's complement subtraction of the lesser from the greater wraps to the right unsigned value.
    return (np.maximum(left, right) - np.minimum(left, right)).view(np.uint64)


def difference(pair: Pair, candidate: Floats, reference: Floats, where: str) -> Floats:
    """Candidate minus reference in float64, given both sides already widened.

    Two whole numbers are subtracted as such before they become float64, so that 2**53 + 1 against 2**53 is
    never a difference of zero. A whole number beyond 2**53 against a float raises `BadInputError`: it has no
    exact float64, and a difference could be lost.
    """
    if pair.are_integers:
        left, right = integers(pair.candidate), integers(pair.reference)
        distance = integer_distance(left, right).astype(np.float64)
        return np.where(left >= right, distance, -distance)
    for piece in pair:
        if piece.dtype == torch.int64:
            _refuse_inexact(integers(piece), where)
    return candidate - reference


def _refuse_inexact(values: Integers, where: str) -> None:
    least, most = int(values.min()), int(values.max())
    if least < -_EXACT_INTEGERS or most > _EXACT_INTEGERS:
        got = f"int64 values from {least} to {most} against a float tensor"
        raise BadInputError(where, got, "whole numbers within 2**53", "compare int64 with int64")
