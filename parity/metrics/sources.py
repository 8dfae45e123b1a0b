"""Where the elements of one side come from, and the checks on what comes."""

from typing import Protocol

import torch

from parity.errors import BadInputError, IncompleteError


class TensorSource(Protocol):
    """A tensor that can be read piece by piece."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of every piece that `read` returns."""
        ...

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Elements [start, stop) of the row-major flattened tensor, one-dimensional, in `dtype`."""
        ...


class LiveTensor:
    """A tensor in memory as a source: any device, any strides, copied no more than a read at a time.

    Raises `BadInputError` for a tensor that has no dense elements to read (sparse, or on the meta device).
    """

    def __init__(self, tensor: torch.Tensor):
        if tensor.layout != torch.strided or tensor.is_meta:
            got = f"a {tensor.layout} tensor on {tensor.device}"
            raise BadInputError("LiveTensor", got, "a dense tensor with data", "materialise it first")
        self._tensor = tensor.detach()
        if self._tensor.is_neg() or self._tensor.is_conj():
            # The gather below reads raw memory, where a lazily negated view has the wrong signs.
            self._tensor = self._tensor.resolve_conj().resolve_neg()
        self.shape = tuple(self._tensor.shape)
        self.dtype = self._tensor.dtype
        self._contiguous = self._tensor.is_contiguous()

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Elements [start, stop) of the row-major flattened tensor, on the tensor's device."""
        if self._contiguous:
            return self._tensor.view(-1)[start:stop]
        if start == 0 and stop == self._tensor.numel():
            return self._tensor.reshape(-1)
        return self._gather(start, stop)

    def _gather(self, start: int, stop: int) -> torch.Tensor:
        """Copy one piece out of strided memory, without the whole-tensor copy that `reshape` would make."""
        tensor = self._tensor
        remaining = torch.arange(start, stop, device=tensor.device)
        offsets = torch.zeros_like(remaining)
        for size, stride in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
            offsets += remaining % size * stride
            remaining //= size
        pairs = zip(tensor.shape, tensor.stride(), strict=True)
        span = 1 + sum((size - 1) * stride for size, stride in pairs)
        return tensor.as_strided((span,), (1,), tensor.storage_offset())[offsets]


def as_source(tensor: TensorSource | torch.Tensor) -> TensorSource:
    """The source behind either way of passing a tensor."""
    return LiveTensor(tensor) if isinstance(tensor, torch.Tensor) else tensor


def read_checked(source: TensorSource, start: int, stop: int, where: str) -> torch.Tensor:
    """Elements [start, stop), on their device; raises `IncompleteError` when the source gives anything else."""
    piece = source.read(start, stop)
    if piece.shape != (stop - start,) or piece.dtype != source.dtype:
        got = f"read({start}, {stop}) gave {tuple(piece.shape)} of {piece.dtype}"
        expected = f"({stop - start},) of {source.dtype}"
        raise IncompleteError(where, got, expected, "check that the tensor was written completely")
    return piece.detach().resolve_neg()
