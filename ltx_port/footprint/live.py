"""Bytes of the tensors that live while something is computed, their peak above all."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ATTENTION = torch.ops.aten.scaled_dot_product_attention.default
_PLAIN_ATTENTION = torch.ops.aten._scaled_dot_product_attention_math.default
_QUESTIONS = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.item.default,
    torch.ops.aten.is_nonzero.default,
}


class LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make on one kind of device, from the moment it is entered.

    Works on the meta device, where nothing is computed, as anywhere else. What exists already (weights) and views are
    not counted. An operation counts by what it gives: its own scratch memory, the allocator's rounding and the
    library's context come on top. In inference mode attention, norms and convolutions are one operation each, as
    their fused kernels are; `plain_attention` has attention computed as matrices of all scores instead. Where there
    are no values, a question to them is answered with 0: a mask that hides nothing, for one, is not simplified away.
    """

    def __init__(self, device: torch.device, plain_attention: bool = False):
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes, self.peak = 0, 0
        self._kind, self._plain_attention = device.type, plain_attention
        # Each storage seen so far, by identity; its Python object lives as long as the storage itself.
        self._seen: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run one operation and count what it made."""
        for storage in self._storages((args, kwargs)):
            self._see(storage, 0)
        if func in _QUESTIONS and self._kind == "meta":
            return 0
        if func is _ATTENTION and self._plain_attention:
            with self:
                return _plain(*args, **(kwargs or {}))
        if func is _ATTENTION and self._kind == "meta":
            func = _fused
        result = func(*args, **(kwargs or {}))
        for storage in self._storages(result):
            self._see(storage, storage.nbytes())
        return result

    def _storages(self, values: Any) -> Iterator[torch.UntypedStorage]:
        for leaf in tree_leaves(values):
            if isinstance(leaf, torch.Tensor) and leaf.device.type == self._kind:
                yield leaf.untyped_storage()

    def _see(self, storage: torch.UntypedStorage, size: int) -> None:
        key = id(storage)
        if key in self._seen:
            return
        # A weak reference that outlives this object would keep nothing alive, and its callback nobody.
        self._seen[key] = weakref.ref(storage, lambda _: self._drop(key, size))
        self.bytes += size
        self.peak = max(self.peak, self.bytes)

    def _drop(self, key: int, size: int) -> None:
        del self._seen[key]
        self.bytes -= size


def _fused(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    # Laid out as fused kernels give it, heads inside of tokens: joining the heads afterwards copies nothing.
    shape = (query.shape[0], query.shape[2], query.shape[1], value.shape[3])
    return query.new_empty(shape).transpose(1, 2)


def _plain(*args: Any, enable_gqa: bool = False, scale: float | None = None, **kwargs: Any) -> Any:
    output, _ = _PLAIN_ATTENTION.decompose(*args, scale=scale, enable_gqa=enable_gqa, **kwargs)
    return output
