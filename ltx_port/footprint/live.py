"""Bytes of the tensors that live while something is computed, their peak above all."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ATTENTION = torch.ops.aten.scaled_dot_product_attention.default
_PLAIN_ATTENTION = torch.ops.aten._scaled_dot_product_attention_math.default


class LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make on one kind of device, from the moment it is entered.

    Works on the meta device, where nothing is computed, as anywhere else. What exists already (weights) and views are
    not counted. An operation counts by what it gives: its own scratch memory, the allocator's rounding and the
    library's context come on top. In inference mode attention, norms and convolutions are one operation each, as
    their fused kernels are; `plain_attention` has attention computed as matrices of all scores instead.
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
        if func is _ATTENTION and self._plain_attention:
            with self:
                return _plain(*args, **(kwargs or {}))
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


def _plain(*args: Any, enable_gqa: bool = False, scale: float | None = None, **kwargs: Any) -> Any:
    output, _ = _PLAIN_ATTENTION.decompose(*args, scale=scale, enable_gqa=enable_gqa, **kwargs)
    return output
