"""How the weights of a layer get to where they are computed with."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

LayerTensors = Sequence[Sequence[Tensor]]
"""For each layer its tensors in host memory, always in the same order."""


@runtime_checkable
class Transport(Protocol):
    """Brings layers, known by their numbers, to a device. One layer is computed with at a time."""

    def begin(self, layer: int) -> None:
        """Start to bring a layer, whose turn comes next."""
        ...

    def arrived(self, layer: int) -> Sequence[Tensor]:
        """Give a layer's tensors on the device, for all that is launched from now on."""
        ...

    def left(self, layer: int) -> None:
        """Take note that all that computes with a layer has been launched."""
        ...


class InPlace:
    """For a device that computes in host memory: everything is there already."""

    def __init__(self, layers: LayerTensors):
        self._layers = layers

    def begin(self, layer: int) -> None:
        """Do nothing."""

    def arrived(self, layer: int) -> Sequence[Tensor]:
        """Give the tensors as they are."""
        return self._layers[layer]

    def left(self, layer: int) -> None:
        """Do nothing."""
