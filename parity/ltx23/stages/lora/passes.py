"""What is fused into what, in neutral terms that every implementation's adapter understands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ADAPTERS = "adapters"
"""The option of a case that lists its LoRAs, in the order in which they are given."""


def file_name(number: int) -> str:
    """Give the name of the file of a case's LoRA, by its place in the list."""
    return f"lora{number}"


@dataclass(frozen=True)
class Adapter:
    """One LoRA: the layers that it changes, by their official names without prefix, its rank and its strength.

    `dtype` is that of its file, `prefix` what the layers' keys begin with in it.
    """

    layers: tuple[str, ...]
    rank: int
    strength: float
    dtype: torch.dtype = torch.bfloat16
    prefix: str = "diffusion_model."


def fused_layers(adapters: Sequence[Adapter]) -> dict[str, tuple[Adapter, ...]]:
    """Map each layer that some adapter changes to those that do, in an order that all implementations share."""
    names = sorted({layer for adapter in adapters for layer in adapter.layers})
    return {name: tuple(adapter for adapter in adapters if name in adapter.layers) for name in names}


@dataclass(frozen=True)
class FusePass:
    """One fusion of all adapters, and a look at the weights that were loaded with it.

    `shown` names loaded weights to look at, by their official names without prefix; all where it is None.
    """

    name: str
    adapters: tuple[Adapter, ...]
    shown: tuple[str, ...] | None = None

    def to(self, dtype: torch.dtype) -> "FusePass":
        """Give the pass as it is: all it works on is in the files."""
        return self

    def on(self, device: torch.device) -> "FusePass":
        """Give the pass as it is."""
        return self

    def tensors(self) -> Mapping[str, Tensor]:
        """Give nothing: a fusion has no other inputs than the files."""
        return {}
