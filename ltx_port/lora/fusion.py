"""LoRAs fused into a checkpoint's weights as these are read: the file and its mapped tensors stay as they are.

Weights quantised to fp8, which the official code can fuse into as well, are out of scope.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.key_map import TRANSFORMER_PREFIX, TransformerKeyMap
from ltx_port.checkpoint.load import load_transformer
from ltx_port.errors import InputError
from ltx_port.lora.file import Factors, LoraFile
from ltx_port.release import NEWEST, Release
from ltx_port.transformer.model import Transformer


@dataclass(frozen=True)
class Lora:
    """A LoRA and its strength, which may be negative.

    `leave` names beginnings of layers that are not to be used: files may bring layers of other components, which the
    official loader drops without a word.
    """

    file: LoraFile
    strength: float = 1.0
    leave: tuple[str, ...] = ()


class ScaledProduct(nn.Module):
    """What one LoRA adds at its strength; the strength scales B before the product, which decides the rounding."""

    def forward(
        self, a: Float[Tensor, "rank inputs"], b: Float[Tensor, "outputs rank"], strength: float
    ) -> Float[Tensor, "outputs inputs"]:
        """Give `(b * strength) @ a` in the dtype of the factors."""
        return torch.matmul(b * strength, a)


class LoraDelta(nn.Module):
    """What all LoRAs add together."""

    def forward(
        self, products: Sequence[Float[Tensor, "outputs inputs"]], further: Sequence[Factors], dtype: torch.dtype
    ) -> Float[Tensor, "outputs inputs"]:
        """Give in `dtype` the sum of `products`, each rounded to it, and then of those of `further`, one by one."""
        rounded = [product.to(dtype) for product in products]
        # The sum of a stack rounds once at its end, additions one by one would round each time.
        total = rounded[0] if len(rounded) == 1 else torch.stack(rounded).sum(dim=0)
        for factors in further:
            total = torch.addmm(total, factors.b, factors.a, alpha=factors.strength)
        return total


class AddToWeight(nn.Module):
    """The last step: into a new tensor, so that the weight is left for the next fusion."""

    def forward(
        self, delta: Float[Tensor, "outputs inputs"], weight: Float[Tensor, "outputs inputs"]
    ) -> Float[Tensor, "outputs inputs"]:
        """Give `delta + weight`, rounded to the dtype of `delta`."""
        return (delta + weight).to(delta.dtype)


class FusedLayer(nn.Module):
    """One weight and all LoRAs that change it, in their order.

    Source: `apply_loras` of ltx-core, for weights in bfloat16.
    """

    def __init__(self, release: Release):
        super().__init__()
        self.release = release
        self.product = ScaledProduct()
        self.delta = LoraDelta()
        self.add = AddToWeight()

    def forward(
        self, weight: Float[Tensor, "outputs inputs"], factors: Sequence[Factors], dtype: torch.dtype
    ) -> Float[Tensor, "outputs inputs"]:
        """Give the fused weight: in the working precision `dtype`, or in bfloat16 where the release has it so."""
        # The first product is made alike in both releases.
        apart = 1 if self.release.lora_products_accumulated else len(factors)
        products = [self.product(*each) for each in factors[:apart]]
        target = torch.bfloat16 if self.release.lora_fused_in_bfloat16 else dtype
        return self.add(self.delta(products, factors[apart:], target), weight)


class LoraFusion(nn.Module):
    """A checkpoint's weights with LoRAs fused in: a source to load the transformer from.

    `fused` lists the keys that some LoRA changes, sorted by layer; `layers` has a module for each.
    InputError for a strength that is not finite, for a layer that the transformer does not have, for one of another
    size, for `leave` where it leaves nothing, and for weights in another dtype than bfloat16.
    """

    def __init__(self, checkpoint: CheckpointFile, loras: Sequence[Lora], release: Release = NEWEST):
        super().__init__()
        self.path = checkpoint.path
        self._checkpoint, self._release = checkpoint, release
        known = set(TransformerKeyMap(checkpoint.config.transformer.num_layers).official_keys())
        touched = {key: layer for lora in loras for key, layer in _checked_layers(lora, checkpoint, known)}
        # With every strength at zero the official loader fuses nothing, not even zeros.
        if all(lora.strength == 0 for lora in loras):
            touched = {}
        self.fused = tuple(sorted(touched, key=lambda key: touched[key]))
        self._sources = {
            key: [lora for lora in loras if _uses(lora, touched[key]) and touched[key] in lora.file.layers]
            for key in self.fused
        }
        self._names = {key: touched[key] for key in self.fused}
        self._numbers = {key: number for number, key in enumerate(self.fused)}
        self.layers = nn.ModuleList(FusedLayer(release) for _ in self.fused)

    def load_transformer(self, device: torch.device, dtype: torch.dtype, offload_blocks: bool = False) -> Transformer:
        """Give the checkpoint's transformer with the LoRAs in its weights; errors as where it is loaded plain.

        Nothing is written to the checkpoint or to its mapped tensors: to be rid of a LoRA, load without it. With
        `offload_blocks`, fused weights are computed once and then held in host memory like the others.
        """
        return load_transformer(self._checkpoint, device, dtype, self._release, self, offload_blocks)

    def keys(self) -> Collection[str]:
        """Give the checkpoint's keys."""
        return self._checkpoint.keys()

    def shape(self, key: str) -> tuple[int, ...]:
        """Give a tensor's shape."""
        return self._checkpoint.shape(key)

    def read(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Read one tensor onto `device`, fused where a LoRA changes it, in `dtype` or in the checkpoint's own."""
        if key not in self._sources:
            return self._checkpoint.read(key, device, dtype)
        weight = self._checkpoint.read(key, device)
        working = dtype or weight.dtype
        own = torch.bfloat16 if self._release.lora_fused_in_bfloat16 else None
        factors = [lora.file.factors(self._names[key], lora.strength, device, own) for lora in self._sources[key]]
        return self.layers[self._numbers[key]](weight, factors, working).to(working)

    def read_to_host(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Read one tensor into host memory; a fused one is computed on `device`, whose sums round as its own do."""
        if key not in self._sources:
            return self._checkpoint.read_to_host(key, device, dtype)
        return self.read(key, device, dtype).to("cpu")


def _uses(lora: Lora, layer: str) -> bool:
    return not layer.startswith(lora.leave)


def _checked_layers(lora: Lora, checkpoint: CheckpointFile, known: set[str]) -> Iterator[tuple[str, str]]:
    path, layers = lora.file.path, lora.file.layers
    if not math.isfinite(lora.strength):
        raise InputError(f"{path}: strength", str(lora.strength), "a finite number", "give another")
    for beginning in lora.leave:
        if not any(layer.startswith(beginning) for layer in layers):
            raise InputError(f"{path}: leave {beginning!r}", "no such layer", "some layer to leave", "remove it")
    for layer in layers:
        if not _uses(lora, layer):
            continue
        key = f"{TRANSFORMER_PREFIX}{layer}.weight"
        if key not in known:
            raise InputError(
                f"{path}: {layer}",
                "no layer of the transformer",
                "only layers that the transformer has",
                "use a LoRA for LTX-2.3; to do without these layers, name their beginning in `leave`",
            )
        if lora.file.size(layer) != checkpoint.shape(key):
            got, expected = f"a matrix of {list(lora.file.size(layer))}", f"{list(checkpoint.shape(key))} as {key}"
            raise InputError(f"{path}: {layer}", got, expected, "use a LoRA for this size of the model")
        if checkpoint.dtype(key) is not torch.bfloat16:
            got = str(checkpoint.dtype(key))
            raise InputError(f"{checkpoint.path}: {key}", got, "bfloat16", "fuse into the bfloat16 checkpoint")
        yield key, layer
