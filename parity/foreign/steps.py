"""The steps of a mapping: each turns one tensor (or several, when they are joined) into another, and refuses misfits.

A step that only moves elements does the same to the numbers of the elements, which is how a mapping is checked to read
each of them once. Sizes and axes are checked strictly: nothing is broadcast, clipped or guessed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from parity.errors import IncompleteError
from parity.store.bits import dtype_name


@dataclass(frozen=True)
class Permute:
    """Axis i of the result is axis `axes[i]` of the tensor."""

    axes: tuple[int, ...]

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Reorder all axes; IncompleteError where they are not those of the tensor."""
        if sorted(self.axes) != list(range(tensor.ndim)):
            _refuse(where, f"permute {list(self.axes)} of shape {_shape(tensor)}", "each axis once")
        return tensor.permute(self.axes)


@dataclass(frozen=True)
class Transpose:
    """Exchanges two axes."""

    first: int
    second: int

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Exchange them; IncompleteError where the tensor lacks one."""
        return tensor.transpose(_axis(tensor, self.first, where), _axis(tensor, self.second, where))


@dataclass(frozen=True)
class Reshape:
    """Cuts the row-major elements up anew; one size may be -1, which is what remains."""

    sizes: tuple[int, ...]

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Reshape; IncompleteError where the sizes do not hold all elements."""
        known = math.prod(size for size in self.sizes if size >= 0)
        fits = tensor.numel() == known if -1 not in self.sizes else known > 0 and tensor.numel() % known == 0
        if not fits:
            _refuse(where, f"reshape {list(self.sizes)} of shape {_shape(tensor)}", "sizes that hold every element")
        return tensor.reshape(self.sizes)


@dataclass(frozen=True)
class Squeeze:
    """Drops an axis of size 1."""

    axis: int

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Drop it; IncompleteError where it has another size."""
        axis = _axis(tensor, self.axis, where)
        if tensor.shape[axis] != 1:
            _refuse(where, f"squeeze {self.axis} of shape {_shape(tensor)}", "an axis of size 1")
        return tensor.squeeze(axis)


@dataclass(frozen=True)
class Unsqueeze:
    """Adds an axis of size 1; `axis` is its place in the result."""

    axis: int

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Add it; IncompleteError where the result has no such axis."""
        if not -tensor.ndim - 1 <= self.axis <= tensor.ndim:
            _refuse(where, f"unsqueeze {self.axis} of shape {_shape(tensor)}", "an axis of the result")
        return tensor.unsqueeze(self.axis)


@dataclass(frozen=True)
class Slice:
    """Elements `start`, `start + stride`, ... before `stop` along an axis."""

    start: int
    stop: int
    stride: int = 1
    axis: int = -1

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Take them; IncompleteError where the axis is shorter than `stop`."""
        axis = _axis(tensor, self.axis, where)
        if not 0 <= self.start < self.stop <= tensor.shape[axis]:
            got = f"slice [{self.start}, {self.stop}] of axis {self.axis} in shape {_shape(tensor)}"
            _refuse(where, got, "0 <= start < stop <= the axis' size")
        index = [slice(None)] * tensor.ndim
        index[axis] = slice(self.start, self.stop, self.stride)
        return tensor[tuple(index)]


@dataclass(frozen=True)
class Split:
    """Cuts an axis into parts of the given sizes and takes one: query, key or value out of a fused projection."""

    sizes: tuple[int, ...]
    take: int
    axis: int = -1

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Take the part; IncompleteError where the sizes do not fill the axis."""
        axis = _axis(tensor, self.axis, where)
        if sum(self.sizes) != tensor.shape[axis]:
            _refuse(where, f"split {list(self.sizes)} of axis {self.axis} in shape {_shape(tensor)}",
                    "sizes that fill the axis")  # fmt: skip
        return tensor.split(self.sizes, dim=axis)[self.take]


@dataclass(frozen=True)
class Reorder:
    """Cuts an axis into equal parts and puts them in another order: scale and shift rows that were exchanged.

    Part i of the result is part `order[i]` of the tensor.
    """

    order: tuple[int, ...]
    axis: int = -1

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Reorder; IncompleteError where the axis has no so many equal parts."""
        axis = _axis(tensor, self.axis, where)
        count = len(self.order)
        if tensor.shape[axis] % count or not tensor.shape[axis]:
            _refuse(where, f"reorder {list(self.order)} of axis {self.axis} in shape {_shape(tensor)}",
                    f"an axis of {count} equal parts")  # fmt: skip
        parts = tensor.chunk(count, dim=axis)
        return torch.cat([parts[i] for i in self.order], dim=axis)


@dataclass(frozen=True)
class Rope:
    """Changes how rotary pairs lie in each head: (x0, y0, x1, y1, ...) interleaved, (x0, x1, ..., y0, y1, ...) split.

    `heads` heads follow each other along the axis; 1 where heads have an axis of their own.
    """

    to_split: bool
    heads: int
    axis: int = -1

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Move the channels; IncompleteError where the heads have no even number of them."""
        axis = _axis(tensor, self.axis, where)
        if tensor.shape[axis] % (2 * self.heads) or not tensor.shape[axis]:
            _refuse(where, f"rope with {self.heads} heads on axis {self.axis} of shape {_shape(tensor)}",
                    "heads of an even number of channels")  # fmt: skip
        inner = (-1, 2) if self.to_split else (2, -1)
        parts = tensor.unflatten(axis, (self.heads, *inner))
        return parts.transpose(axis + 1, axis + 2).flatten(axis, axis + 2)


@dataclass(frozen=True)
class Join:
    """Puts several tensors together along an axis that they have (concat), or along a new one (stack)."""

    axis: int
    new: bool = False

    def join(self, tensors: Sequence[Tensor], where: str) -> Tensor:
        """Join; IncompleteError where their other axes or their dtypes differ."""
        first = tensors[0]
        axis = self.axis if self.new else _axis(first, self.axis, where)
        if self.new and not -first.ndim - 1 <= axis <= first.ndim:
            _refuse(where, f"stack {axis} of shape {_shape(first)}", "an axis of the result")
        for other in tensors[1:]:
            if other.dtype != first.dtype or _apart(other, axis, self.new) != _apart(first, axis, self.new):
                got = f"parts {_shape(first)} of {first.dtype} and {_shape(other)} of {other.dtype}"
                _refuse(where, got, f"parts of one dtype that fit along axis {self.axis}")
        return torch.stack(list(tensors), axis) if self.new else torch.cat(list(tensors), axis)


def _apart(tensor: Tensor, axis: int, new: bool) -> list[int]:
    sizes = list(tensor.shape)
    if not new and axis < len(sizes):
        del sizes[axis]
    return [tensor.ndim, *sizes]


@dataclass(frozen=True)
class Cast:
    """Gives the elements another dtype; exactly, unless a reason is given why they may be rounded."""

    dtype: torch.dtype
    rounding: str | None = None

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Cast; IncompleteError where a value changes that was to be kept."""
        if tensor.dtype is torch.uint64:
            _refuse(where, "a cast of uint64", "a tensor that torch computes with", "write it as int64")
        cast = tensor.to(self.dtype)
        if self.rounding is None:
            changed = int((~_same_numbers(cast, tensor)).sum())
            if changed:
                name = dtype_name(self.dtype)
                got = f"cast of {tensor.dtype} to {name} changes {changed} of {tensor.numel()} values"
                _refuse(where, got, "an exact cast", 'write them in that dtype, or declare `rounding = "why"`')
        return cast


def _same_numbers(cast: Tensor, tensor: Tensor) -> Tensor:
    # float64 holds every number of the other floating-point types, int64 every one of the other whole ones.
    if not tensor.dtype.is_floating_point:
        return (cast.double() if cast.dtype.is_floating_point else cast).long() == tensor.long()
    wide, back = tensor.double(), cast.double()
    # NaN stays NaN in any cast between floating-point types: it is for the comparison to judge.
    return (back == wide) | (back.isnan() & wide.isnan())


@dataclass(frozen=True)
class Affine:
    """Multiplies by a constant and adds another, in float64, rounded once to the tensor's dtype."""

    factor: float = 1.0
    term: float = 0.0

    def apply(self, tensor: Tensor, where: str) -> Tensor:
        """Compute; IncompleteError for a tensor that is not of floating point."""
        if not tensor.dtype.is_floating_point:
            _refuse(where, f"{'scale' if self.term == 0 else 'add'} on {tensor.dtype}", "a floating-point tensor")
        return (tensor.double() * self.factor + self.term).to(tensor.dtype)


Moving = Permute | Transpose | Reshape | Squeeze | Unsqueeze | Slice | Split | Reorder | Rope
Changing = Cast | Affine
Step = Moving | Changing | Join
# Steps that leave elements out.
TAKING = (Slice, Split)


def run_steps(steps: Sequence[Step], tensors: Sequence[Tensor], where: str, moving_only: bool = False) -> Tensor:
    """Run steps on the tensors of an entry; `moving_only` leaves values alone, for tensors of element numbers."""
    current = list(tensors)
    for step in steps:
        if isinstance(step, Join):
            current = [step.join(current, where)]
        elif not (moving_only and isinstance(step, Cast | Affine)):
            current = [step.apply(tensor, where) for tensor in current]
    if len(current) != 1:
        _refuse(where, f"{len(current)} tensors", "one, through `concat` or `stack`")
    return current[0]


def _axis(tensor: Tensor, axis: int, where: str) -> int:
    if not -tensor.ndim <= axis < tensor.ndim:
        _refuse(where, f"axis {axis} of shape {_shape(tensor)}", "an axis that it has")
    return axis % tensor.ndim


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _refuse(
    where: str, got: str, expected: str, next_step: str = "correct the mapping, or what was written"
) -> NoReturn:
    raise IncompleteError(where, got, expected, next_step)
