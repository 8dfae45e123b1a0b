"""How each tensor of a synthetic checkpoint is filled, so that a fault in the use of any of them shows.

Near-zero random weights hide faults: softmax goes uniform, and a wrong rotation then changes nothing. So
weights are scaled by their fan-in, which keeps activations and attention logits near a deviation of 1, norms
scatter around 1, and no table, gate or bias is small enough to be dropped unseen.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from ltx_port.checkpoint.config import CheckpointConfig

RECIPE_VERSION = 1
"""Changes whenever a fill does; a written checkpoint carries it."""

Shape = tuple[int, ...]
Row = tuple[str, Shape]

TABLE_SPREAD = 0.3


@dataclass(frozen=True)
class Recipe:
    """`offset + scale * r`, with r of mean 0 and deviation 1; `kind` says what the tensor is to the model.

    `values`, where given, makes the whole tensor (float32, of the asked shape) instead: for filters and transforms,
    which are no noise. It must give the same bits on every machine.
    """

    kind: str
    offset: float
    scale: float
    values: Callable[[Shape], Tensor] | None = None

    @property
    def is_matrix(self) -> bool:
        """Whether the tensor is [outputs, inputs], so that its rows are output channels."""
        return self.kind == "matrix"


NORM = Recipe("norm", 1.0, 0.1)
# At 0.02, as the official drive script has it, a dropped bias moves an activation by less than the tolerance
# that bfloat16 needs; at 0.1 it cannot.
BIAS = Recipe("bias", 0.0, 0.1)


def fan_in(shape: Shape) -> Recipe:
    """Give the fill of a matrix or convolution [outputs, inputs, ...]: unit variance in, unit variance out."""
    kind = "matrix" if len(shape) == 2 else "convolution"
    return Recipe(kind, 0.0, 1 / math.sqrt(math.prod(shape[1:])))


@dataclass(frozen=True)
class Component:
    """A part of a checkpoint: its keys with their shapes, in file order, and the fill of each.

    `recipe` gives None for a key that is not the component's, or a rank that the key cannot have.
    """

    name: str
    rows: Callable[[CheckpointConfig], Iterator[Row]]
    recipe: Callable[[str, Shape], Recipe | None]
