"""Two slots on a device: one layer is computed with while the next one is brought."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ltx_port.offload.transport import LayerTensors

SLOTS = 2
# What the caching allocator begins every tensor at: kernels are chosen by alignment, and round by what is chosen.
_ALIGNMENT = 512


@runtime_checkable
class Lane(Protocol):
    """A way onto a device that runs beside its computing, with `SLOTS` slots of bytes at its end."""

    def slot(self, slot: int) -> Tensor:
        """Give the bytes of a slot, uint8 on the device."""
        ...

    def claim(self, slot: int) -> None:
        """Let what is sent from now on wait for all that computes with the slot's present content."""
        ...

    def send(self, slot: int, start: int, source: Tensor) -> None:
        """Send a tensor's bytes to a place in a slot, and return before they are there."""
        ...

    def sent(self, slot: int) -> None:
        """Take note that the slot has been sent all of its content."""
        ...

    def wait(self, slot: int) -> None:
        """Let what is computed from now on wait for all that was sent to the slot."""
        ...

    def leave(self, slot: int) -> None:
        """Take note that all that computes with the slot's content has been launched."""
        ...


def slot_bytes(layers: LayerTensors) -> int:
    """Give the bytes that a slot must have to hold any of the layers."""
    return max(_places(tensors)[-1] for tensors in layers)


class Slots:
    """Brings layers through a lane into its slots; a layer that is still in one is not brought again."""

    def __init__(self, layers: LayerTensors, lane: Lane):
        self._layers, self._lane = layers, lane
        self._content: list[int | None] = [None] * SLOTS
        self._turn = 0

    def begin(self, layer: int) -> None:
        """Fill the slot that is not computed with, nor was last."""
        if layer in self._content:
            return
        slot, tensors = self._turn, self._layers[layer]
        # Of neither layer, should sending fail half way.
        self._content[slot] = None
        self._lane.claim(slot)
        for start, tensor in zip(_places(tensors), tensors, strict=False):
            self._lane.send(slot, start, tensor)
        self._lane.sent(slot)
        self._content[slot] = layer

    def arrived(self, layer: int) -> Sequence[Tensor]:
        """Give a layer's tensors, as parts of a slot."""
        self.begin(layer)
        slot = self._content.index(layer)
        self._turn = 1 - slot
        self._lane.wait(slot)
        whole, tensors = self._lane.slot(slot), self._layers[layer]
        return [_part(whole, start, tensor) for start, tensor in zip(_places(tensors), tensors, strict=False)]

    def left(self, layer: int) -> None:
        """Take note that all that computes with a layer has been launched."""
        self._lane.leave(self._content.index(layer))


def _places(tensors: Sequence[Tensor]) -> list[int]:
    """Give where in a slot each tensor begins, and where the last one ends."""
    return list(accumulate((-(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT for tensor in tensors), initial=0))


def _part(whole: Tensor, start: int, like: Tensor) -> Tensor:
    return whole[start : start + like.nbytes].view(like.dtype).view(like.shape)


def as_bytes(tensor: Tensor) -> Tensor:
    """Give a contiguous tensor's memory as uint8, without a copy."""
    return tensor.view(-1).view(torch.uint8)
