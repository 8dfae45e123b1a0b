"""Bits, exact widening to float64, and differences of two pieces of any supported dtypes."""

from typing import NamedTuple

import torch
from torch import Tensor

from parity.errors import BadInputError

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
    """The same range of elements of both sides: one-dimensional tensors on one device, in their own dtypes."""

    candidate: Tensor
    reference: Tensor

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
    return torch.equal(left.view(bits), right.view(bits))


def widened(piece: Tensor) -> Tensor:
    """Values as float64: exact for every supported float, and for whole numbers up to 2**53."""
    return piece.to(torch.float64)


def integers(piece: Tensor) -> Tensor:
    """Whole numbers or flags as int64."""
    return piece.to(torch.int64)


def integer_distance(left: Tensor, right: Tensor) -> Tensor:
    """|left - right| of int64 in the bits of a uint64: what needs 64 bits looks negative."""
    # Two's complement subtraction of the lesser from the greater wraps to the right unsigned value.
    return torch.maximum(left, right) - torch.minimum(left, right)


def unsigned(distance: Tensor) -> Tensor:
    """The bits of uint64 as float64, rounded once."""
    # What looks negative is halved, its last bit kept so that the rounding is the same, and doubled as a float.
    halved = (distance >> 1) & (2**63 - 1) | (distance & 1)
    return torch.where(distance < 0, halved.to(torch.float64) * 2, distance.to(torch.float64))


def difference(pair: Pair, candidate: Tensor, reference: Tensor) -> Tensor:
    """Candidate minus reference in float64, given both sides already widened.

    Two whole numbers are subtracted as such before they become float64, so that 2**53 + 1 against 2**53 is
    never a difference of zero.
    """
    if pair.are_integers:
        left, right = integers(pair.candidate), integers(pair.reference)
        distance = unsigned(integer_distance(left, right))
        return torch.where(left >= right, distance, -distance)
    return candidate - reference


def require_exact(pair: Pair, where: str) -> None:
    """Refuse a whole number beyond 2**53 against a float: it has no exact float64, and a difference could be lost.

    Raises `BadInputError`.
    """
    if pair.are_integers:
        return
    for piece in pair:
        if piece.dtype == torch.int64 and piece.numel():
            least, most = (int(end) for end in torch.aminmax(piece))
            if least < -_EXACT_INTEGERS or most > _EXACT_INTEGERS:
                got = f"int64 values from {least} to {most} against a float tensor"
                raise BadInputError(where, got, "whole numbers within 2**53", "compare int64 with int64")
