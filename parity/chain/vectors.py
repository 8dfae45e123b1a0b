"""States as vectors: differences, sums and lengths, taken in float64."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from parity.chain.link import State
from parity.errors import IncompleteError


def length(tensors: Iterable[Tensor]) -> float:
    """Give the Euclidean norm of all elements together."""
    squares = (float(torch.linalg.vector_norm(tensor, dtype=torch.float64)) ** 2 for tensor in tensors)
    return math.sqrt(sum(squares))


def ratio(error: float, value: float) -> float:
    """Give error / value; 0 for 0/0, infinity for what is relative to nothing."""
    if value > 0:
        return error / value
    return 0.0 if error == 0 else math.inf


def relative(error: State, value: State, keys: Iterable[str]) -> float:
    """Give ||error|| / ||value|| over `keys` together; a key that `error` lacks has none."""
    names = tuple(keys)
    return ratio(length(error[k] for k in names if k in error), length(value[k] for k in names))


def difference(one: State, other: State, where: str) -> dict[str, Tensor]:
    """Give one - other for every tensor that differs; IncompleteError for tensors that cannot be compared."""
    found = {}
    for key, tensor in other.items():
        if one[key].shape != tensor.shape:
            got, expected = f"shape {tuple(one[key].shape)}", f"{tuple(tensor.shape)}"
            raise IncompleteError(f"{where}, {key}", got, expected, "lay both chains out alike")
        error = one[key] - tensor
        if bool(error.any()):
            found[key] = error
    return found


def moved(state: State, error: State) -> dict[str, Tensor]:
    """Give the state with an error added where there is one."""
    return {key: tensor + error[key] if key in error else tensor for key, tensor in state.items()}


def white(like: Tensor, norm: float, generator: torch.Generator) -> Tensor:
    """Draw a vector without a preferred direction, of this expected norm; on the CPU, so that devices agree."""
    drawn = torch.randn(like.shape, generator=generator, dtype=torch.float32)
    return (drawn * (norm / math.sqrt(max(1, like.numel())))).to(like.device)
