"""LoRA files: the two factors of each layer, and how they are filled."""

import re
from collections.abc import Iterator

from parity.ltx23.synthetic.recipe import Recipe, Row, Shape, fan_in

_FACTOR = re.compile(r"(diffusion_model\.)?[\w.]+\.lora_[AB]\.weight")


def lora_rows(layer: str, weight: Shape, rank: int) -> Iterator[Row]:
    """Give the factors of a layer by the layer's key in the file, without `.weight`."""
    outputs, inputs = weight
    yield f"{layer}.lora_A.weight", (rank, inputs)
    yield f"{layer}.lora_B.weight", (outputs, rank)


def lora_recipe(key: str, shape: Shape) -> Recipe | None:
    """Give the fill of a factor; None for another key or rank.

    At strength 1 the product is as large as the weight that it is added to, so that no bit of it is lost.
    """
    return fan_in(shape) if len(shape) == 2 and _FACTOR.fullmatch(key) else None
