"""The neutral terms in which a stage is loaded and called; port and reference each have an adapter that reads them.

Nothing here may come from the port: the reference's adapters share no code with it.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

SEED = 20260305
_INPUT_SEED: ContextVar[int] = ContextVar("input_seed", default=SEED)


def input_seed() -> int:
    """Give the seed that cases draw their inputs from; weights are drawn from SEED, whatever this is."""
    return _INPUT_SEED.get()


@contextmanager
def inputs_from(seed: int) -> Iterator[None]:
    """Let cases that are built inside the block draw their inputs from another seed."""
    token = _INPUT_SEED.set(seed)
    try:
        yield
    finally:
        _INPUT_SEED.reset(token)


class Pass(Protocol):
    """One call of a stage, in neutral terms that every implementation's adapter understands."""

    @property
    def name(self) -> str:
        """Name within the case; it is part of every tap's name."""
        ...

    def to(self, dtype: torch.dtype) -> "Pass":
        """Give the pass in another working precision; what has a fixed dtype keeps it."""
        ...

    def on(self, device: torch.device) -> "Pass":
        """Give the pass with its tensors on a device."""
        ...

    def tensors(self) -> Mapping[str, Tensor]:
        """Give every input tensor by name, for hashing."""
        ...


@dataclass(frozen=True)
class TensorPass:
    """A pass that is a set of tensors and plain settings, which is enough for most stages.

    `working` tensors follow the working precision, `fixed` ones keep their dtype; `settings` are plain values.
    """

    name: str
    working: Mapping[str, Tensor] = field(default_factory=dict)
    fixed: Mapping[str, Tensor] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to(self, dtype: torch.dtype) -> "TensorPass":
        """Give the pass with its working tensors in `dtype`."""
        return replace(self, working={name: tensor.to(dtype) for name, tensor in self.working.items()})

    def on(self, device: torch.device) -> "TensorPass":
        """Give the pass with its tensors on a device."""
        return replace(self, working=_on(self.working, device), fixed=_on(self.fixed, device))

    def tensors(self) -> dict[str, Tensor]:
        """Give every input tensor by name."""
        return {f"{self.name}.{name}": tensor for name, tensor in {**self.working, **self.fixed}.items()}


def _on(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


class Weights(Protocol):
    """Weights that are made where they are used, for a checkpoint of which only the header was written."""

    @property
    def path(self) -> Path:
        """The file that has the header."""
        ...

    def keys(self) -> Collection[str]:
        """Give the official keys."""
        ...

    def shape(self, key: str) -> tuple[int, ...]:
        """Give a tensor's shape."""
        ...

    def read(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Give one tensor on a device."""
        ...

    def read_to_host(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Give it in host memory, the same bits."""
        ...


@dataclass(frozen=True)
class Load:
    """What an implementation of a stage is loaded from.

    `files` has the checkpoint under `checkpoint`, and the stage's own files by their names. `weights`, where given,
    are read in the place of the checkpoint's tensors.
    """

    files: Mapping[str, Path]
    device: torch.device
    dtype: torch.dtype
    release: str
    options: Mapping[str, Any] = field(default_factory=dict)
    attention: str = "auto"
    weights: Weights | None = None
