"""Weights of blocks that exist only while an implementation is inside of the block."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ltx_port.checkpoint.finite import all_finite
from parity.errors import BadInputError
from parity.lockstep.ambient import put, taken


class Part(NamedTuple):
    """The weights of one block in one dtype."""

    block: int
    dtype: torch.dtype


@dataclass
class _Present:
    tensors: Mapping[str, Tensor]
    inside: int = 0


class Turns:
    """Makes a block's tensors when the first implementation enters it, and lets go of them when the last one leaves.

    `make` gives the tensor of an official key in a dtype, the same numbers each time; `keys` are those of each block.
    `most` is the largest number of blocks that were there at one time.
    """

    def __init__(self, make: Callable[[str, torch.dtype], Tensor], keys: Mapping[int, Sequence[str]]):
        self.most = 0
        self._make, self._keys = make, keys
        self._present: dict[Part, _Present] = {}
        self._checked: set[Part] = set()

    @property
    def resident(self) -> int:
        """How many blocks are there now."""
        return len(self._present)

    def enter(self, part: Part) -> None:
        """An implementation goes into a block; `leave` must follow, whatever becomes of it.

        BadInputError for weights that are not finite.
        """
        if part not in self._present:
            self._present[part] = _Present(self._made(part))
            self.most = max(self.most, self.resident)
        self._present[part].inside += 1

    def tensors(self, part: Part) -> Mapping[str, Tensor]:
        """Give the tensors of a block that somebody is inside of, by official key."""
        return self._present[part].tensors

    def leave(self, part: Part) -> None:
        """An implementation comes out of a block."""
        present = self._present[part]
        present.inside -= 1
        if present.inside == 0:
            del self._present[part]

    def _made(self, part: Part) -> dict[str, Tensor]:
        with _undisturbed():
            found = {key: self._make(key, part.dtype) for key in self._keys[part.block]}
            # Once: they are the same numbers each time. Loaders, who check weights, have seen stand-ins.
            if part not in self._checked:
                _require_finite(found)
                self._checked.add(part)
        return found


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no mode of the implementation that happens to come first see or change what both are to use."""
    own = taken()
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        put(own)


def _require_finite(tensors: Mapping[str, Tensor]) -> None:
    for key, tensor in tensors.items():
        if not all_finite(tensor):
            raise BadInputError(key, f"NaN or infinity in {tensor.dtype}", "finite weights", "correct its recipe")
