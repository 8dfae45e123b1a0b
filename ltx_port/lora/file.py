"""A LoRA's file: two factors for each layer that it changes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ltx_port.checkpoint.finite import all_finite
from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.errors import InputError

# The official loader takes keys with this prefix, and without it.
PREFIX = "diffusion_model."
_FACTOR = re.compile(rf"({re.escape(PREFIX)})?(?P<layer>.+)\.lora_(?P<factor>[AB])\.weight")


class FactorKeys(NamedTuple):
    """The keys of a layer's two factors: A is [rank, inputs], B is [outputs, rank]."""

    a: str
    b: str


class Factors(NamedTuple):
    """A layer's two factors, and the strength at which their product is taken."""

    a: torch.Tensor
    b: torch.Tensor
    strength: float


class LoraFile(TensorFile):
    """An opened LoRA file.

    `layers` maps each layer, by its official name without prefix, to the keys of its factors. Opening it raises
    InputError for a key that is no factor (an `alpha` too: the official loader does not scale by it), for a factor
    without the other, and for two that do not fit each other.
    """

    right_file = f"use a LoRA with keys such as {PREFIX}transformer_blocks.0.attn1.to_q.lora_A.weight"
    layers: Mapping[str, FactorKeys]

    def __init__(self, path: Path, handle: Any, metadata: Mapping[str, str], identity: tuple[int, int, int, int]):
        super().__init__(path, handle, metadata, identity)
        found: dict[str, dict[str, str]] = {}
        for key in self.keys():
            match = _FACTOR.fullmatch(key)
            if match is None:
                raise InputError(f"{path}: {key}", "unknown key", "lora_A.weight or lora_B.weight", self.right_file)
            factors = found.setdefault(match["layer"], {})
            if match["factor"] in factors:
                expected = "each layer once"
                raise InputError(f"{path}: {key}", f"{match['layer']} comes twice", expected, "remove one of them")
            factors[match["factor"]] = key
        if not found:
            raise InputError(str(path), "no tensors", "two factors for each layer", self.right_file)
        self.layers = {layer: self._pair(layer, factors) for layer, factors in found.items()}

    def size(self, layer: str) -> tuple[int, int]:
        """Give [outputs, inputs] of the matrix that a layer's factors make."""
        keys = self.layers[layer]
        return self.shape(keys.b)[0], self.shape(keys.a)[1]

    def factors(
        self, layer: str, strength: float, device: torch.device | str, dtype: torch.dtype | None = None
    ) -> Factors:
        """Read a layer's factors onto `device`, in `dtype` where that is given; InputError where one is not finite."""
        a, b = (self.read(key, device, dtype) for key in self.layers[layer])
        for key, factor in zip(self.layers[layer], (a, b), strict=True):
            if not all_finite(factor):
                raise InputError(f"{self.path}: {key}", "NaN or infinity", "finite factors", "get the file again")
        return Factors(a, b, strength)

    def _pair(self, layer: str, factors: Mapping[str, str]) -> FactorKeys:
        if len(factors) == 1:
            ((found, key),) = factors.items()
            missing = "B" if found == "A" else "A"
            raise InputError(f"{self.path}: {key}", f"no lora_{missing} beside it", "both factors", self.right_file)
        keys = FactorKeys(factors["A"], factors["B"])
        a, b = self.shape(keys.a), self.shape(keys.b)
        if len(a) != 2 or len(b) != 2 or a[0] != b[1] or not a[0]:
            got = f"lora_A of shape {list(a)}, lora_B of {list(b)}"
            raise InputError(f"{self.path}: {layer}", got, "[rank, inputs] and [outputs, rank]", self.right_file)
        if self.dtype(keys.a) is not self.dtype(keys.b):
            got = f"lora_A of {self.dtype(keys.a)}, lora_B of {self.dtype(keys.b)}"
            raise InputError(f"{self.path}: {layer}", got, "one dtype", self.right_file)
        return keys
