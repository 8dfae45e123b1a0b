"""A second logical device in host memory, as unkind as a real one may be: what a missing wait would show on a GPU."""

import torch
from torch import Tensor

from ltx_port.offload.slots import SLOTS, Slots, as_bytes, slot_bytes
from ltx_port.offload.transport import LayerTensors

NO_NUMBER = 0xFF
"""Every byte of a NaN, in every precision."""


class LateLane:
    """A device in host memory on which every copy is made as late as it may be; until then a slot holds NaN."""

    def __init__(self, layers: LayerTensors):
        nbytes = slot_bytes(layers)
        self.staging, self.slots = ([torch.full((nbytes,), NO_NUMBER, dtype=torch.uint8) for _ in "ab"] for _ in "ab")
        self.pending: list[list[slice]] = [[] for _ in range(SLOTS)]
        self.claimed, self.whole, self.computing = ([False] * SLOTS for _ in "abc")
        self.brought = 0

    def slot(self, slot: int) -> Tensor:
        return self.slots[slot]

    def claim(self, slot: int) -> None:
        assert not any(self.computing), "filled while a layer computes"
        self.claimed[slot], self.whole[slot] = True, False
        self.pending[slot].clear()
        self.staging[slot].fill_(NO_NUMBER)
        self.slots[slot].fill_(NO_NUMBER)

    def send(self, slot: int, start: int, source: Tensor) -> None:
        assert self.claimed[slot], "sent to a slot that may still be computed with"
        place = slice(start, start + source.nbytes)
        self.staging[slot][place] = as_bytes(source)
        self.pending[slot].append(place)

    def sent(self, slot: int) -> None:
        self.claimed[slot], self.whole[slot] = False, True
        self.brought += 1

    def wait(self, slot: int) -> None:
        assert self.whole[slot], "waited for what was never sent"
        for place in self.pending[slot]:
            self.slots[slot][place] = self.staging[slot][place]
        self.pending[slot].clear()
        self.computing[slot] = True

    def leave(self, slot: int) -> None:
        self.computing[slot] = False


def late(layers: LayerTensors, lanes: list[LateLane] | None = None) -> Slots:
    lane = LateLane(layers)
    if lanes is not None:
        lanes.append(lane)
    return Slots(layers, lane)
