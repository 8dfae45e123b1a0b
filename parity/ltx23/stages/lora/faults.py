"""Faults of LoRA fusion: each function plants one in a loaded port, and its docstring says what is then wrong."""

from collections.abc import Callable, Iterator, Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ltx_port.lora.file import Factors
from ltx_port.lora.fusion import FusedLayer, LoraDelta, ScaledProduct
from parity.ltx23.fault import Faults
from parity.ltx23.stages.lora.port import Fusing

FAULTS = Faults("lora", case="lora-kinds", forward="fuse")
_FIRST = "layer00.adaln_single.linear"


def _layers(model: Fusing) -> Iterator[tuple[str, FusedLayer]]:
    for key, layer in zip(model.fusion.fused, model.fusion.layers, strict=True):
        assert isinstance(layer, FusedLayer)
        yield key, layer


def _products(model: Fusing, replacement: Callable[..., Any], layers: str = "") -> None:
    for key, layer in _layers(model):
        if layers in key:
            _forward(layer.product, replacement)
    model.load()


def _forward(module: nn.Module, replacement: Callable[..., Any]) -> None:
    # On the instance, so that only this model is changed.
    module.forward = MethodType(replacement, module)


@FAULTS.planted("L2", first_tap="layer02.patchify_proj.product0", hint="zero")
def keys_ignored(model: Fusing) -> None:
    """Layers outside of the blocks silently ignored, but for those of the timestep."""

    def forward(_: ScaledProduct, a: Tensor, b: Tensor, strength: float) -> Tensor:
        return torch.zeros(b.shape[0], a.shape[1], dtype=a.dtype)

    _products(model, forward, "_proj.weight")


@FAULTS.planted("ZL1", first_tap=f"{_FIRST}.product0", hint="factor: 0.8")
def strength_twice(model: Fusing) -> None:
    """Strength applied to both factors."""

    def forward(self: ScaledProduct, a: Tensor, b: Tensor, strength: float) -> Tensor:
        return ScaledProduct.forward(self, a * strength, b, strength)

    _products(model, forward)


@FAULTS.planted("ZL2", first_tap=f"{_FIRST}.product0", hint="factor: 2")
def alpha_invented(model: Fusing) -> None:
    """Product scaled by an alpha of 8 over the rank."""

    def forward(self: ScaledProduct, a: Tensor, b: Tensor, strength: float) -> Tensor:
        return ScaledProduct.forward(self, a, b, strength * 8 / a.shape[0])

    _products(model, forward)


@FAULTS.planted(
    "ZL3",
    first_tap="layer01.transformer_blocks.0.attn1.to_k.product0",
    hint="layout: axes 0 and 1",
    case="lora-wide-files",
)
def factors_swapped(model: Fusing) -> None:
    """Product of square layers transposed, as if A and B had changed places."""

    def forward(self: ScaledProduct, a: Tensor, b: Tensor, strength: float) -> Tensor:
        return ScaledProduct.forward(self, b.mT, a.mT, strength)

    _products(model, forward, ".to_k.")


@FAULTS.planted("ZL4", first_tap=f"{_FIRST}.product0", hint="rounding")
def product_in_float32(model: Fusing) -> None:
    """Strength and product computed in float32 and rounded once, where the reference scales a bfloat16 B."""

    def forward(self: ScaledProduct, a: Tensor, b: Tensor, strength: float) -> Tensor:
        return ScaledProduct.forward(self, a.float(), b.float(), strength).to(a.dtype)

    _products(model, forward)


@FAULTS.planted("ZL5", first_tap=f"{_FIRST}.delta", hint="tensor: layer00.adaln_single.linear.product1")
def last_one_wins(model: Fusing) -> None:
    """Each LoRA overwrites the one in front of it."""

    def forward(self: LoraDelta, products: Sequence[Tensor], further: Sequence[Factors], dtype: torch.dtype) -> Tensor:
        return LoraDelta.forward(self, products[-1:], further, dtype)

    for _, layer in _layers(model):
        _forward(layer.delta, forward)
    model.load()


@FAULTS.planted("ZL6", first_tap="layer00.transformer_blocks.0.attn1.to_q.delta", hint="rounding", case="lora-many")
def added_one_by_one(model: Fusing) -> None:
    """Products added one after the other, rounding each time."""

    def forward(_: LoraDelta, products: Sequence[Tensor], __: Sequence[Factors], dtype: torch.dtype) -> Tensor:
        total = products[0].to(dtype)
        for product in products[1:]:
            total = total + product.to(dtype)
        return total

    for _, layer in _layers(model):
        _forward(layer.delta, forward)
    model.load()


@FAULTS.planted(
    "ZL7",
    first_tap="loaded.patchify_proj.weight",
    hint="tensor: layer02.patchify_proj.base | term: layer02.patchify_proj.delta",
)
def not_loaded(model: Fusing) -> None:
    """Weights fused, but the checkpoint's own loaded."""
    model.load(fused=False)
