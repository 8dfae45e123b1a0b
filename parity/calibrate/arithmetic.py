"""Other legitimate ways for torch to do the same arithmetic, each for as long as a block lasts."""

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

KERNELS: Mapping[str, SDPBackend] = {
    "math": SDPBackend.MATH,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}
# Operations whose result is a sum, or a function that libraries round in their own ways, by ATen's names of them.
FAMILIES: Mapping[str, frozenset[str]] = {
    "products": frozenset({"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot", "linear", "convolution"}),
    "attention": frozenset(
        f"_scaled_dot_product_{kernel}"
        for kernel in ("flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention")
    ),
    "norms": frozenset(
        {"native_layer_norm", "native_group_norm", "_fused_rms_norm", "_softmax", "sum", "mean", "var", "std"}
        | {"var_mean", "std_mean", "linalg_vector_norm"}
    ),
    "functions": frozenset(
        {"exp", "log", "log10", "pow", "sqrt", "rsqrt", "sin", "cos", "sigmoid", "tanh", "silu", "gelu"}
    ),
}
_WIDER = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.float32: torch.float64}


def kernels_here(device: torch.device) -> tuple[str, ...]:
    """Name the attention kernels that run on a device."""
    found = []
    probe = torch.ones(1, 1, 2, 8, device=device)
    for name in KERNELS:
        try:
            with warnings.catch_warnings(), sdpa_kernel([KERNELS[name]]):
                warnings.simplefilter("ignore")
                F.scaled_dot_product_attention(probe, probe, probe)
        except RuntimeError:
            continue
        found.append(name)
    return tuple(found)


@contextmanager
def attention_kernel(name: str) -> Iterator[None]:
    """Compute attention by one kernel; where that one cannot (a mask, a shape), by the kernel that can do all."""
    with sdpa_kernel([KERNELS[name], SDPBackend.MATH], set_priority=True):
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def split_products(share: float) -> Iterator[None]:
    """Cut the reduction of every linear layer in two at a share of it, and add the parts in the precision of the sum.

    That is float32 for half precisions, else the layer's own; the bias is added there too, and the result is rounded
    once.
    """
    whole: Callable[..., Tensor] = F.linear

    def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        x, width = input, input.shape[-1]
        if width < 2 or not x.is_floating_point():
            return whole(x, weight, bias)
        cut = min(max(round(width * share), 1), width - 1)
        wide = _WIDER[x.dtype] if x.element_size() < 4 else x.dtype
        total = whole(x[..., :cut].to(wide), weight[:, :cut].to(wide)) + whole(
            x[..., cut:].to(wide), weight[:, cut:].to(wide)
        )
        return (total if bias is None else total + bias.to(wide)).to(x.dtype)

    F.linear = linear
    try:
        yield
    finally:
        F.linear = whole


@contextmanager
def wider(*families: str) -> Iterator[None]:
    """Compute operations of FAMILIES in the next wider precision, and round their results once to their own."""
    names = frozenset[str]().union(*(FAMILIES[family] for family in families))
    with _Wider(names):
        yield


class _Wider(TorchDispatchMode):
    """Below the functions of torch that a probe may watch, so that each of their calls stays one call."""

    def __init__(self, names: frozenset[str]):
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = names

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        own = [value.dtype for value in _tensors([*args, *kwargs.values()]) if value.dtype in _WIDER]
        if func.overloadpacket.__name__ not in self._names or kwargs.get("dtype") is not None or not own:
            return func(*args, **kwargs)
        result = func(*_mapped(args, _widened), **{name: _mapped(value, _widened) for name, value in kwargs.items()})
        narrow = functools.reduce(torch.promote_types, own)
        return _mapped(result, lambda value: value.to(narrow) if value.dtype == _WIDER[narrow] else value)


def _widened(value: Tensor) -> Tensor:
    return value.to(_WIDER.get(value.dtype, value.dtype))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    # A named tuple of results has its own type, which is not built from one sequence.
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, change) for item in value)
    return value
