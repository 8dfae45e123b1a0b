"""The way onto a CUDA device: through pinned memory, on a stream of its own."""

import torch
from torch import Tensor

from ltx_port.offload.slots import SLOTS, as_bytes


class CudaLane:
    """Copies into pinned staging memory on the host, and from there to the device on a side stream.

    Each slot has its own staging memory, so that the host can fill one while the other is being sent.
    """

    def __init__(self, nbytes: int, device: torch.device):
        self._device = device
        self._stream = torch.cuda.Stream(device)
        # Not of inference mode, whose tensors could not be written to outside of it.
        with torch.inference_mode(False):
            self._staging = [torch.empty(nbytes, dtype=torch.uint8, pin_memory=True) for _ in range(SLOTS)]
            self._slots = [torch.empty(nbytes, dtype=torch.uint8, device=device) for _ in range(SLOTS)]
        for slot in self._slots:
            # The allocator must not give the memory away while the side stream still writes to it.
            slot.record_stream(self._stream)
        # Whatever had this memory before may still be computing.
        self._stream.wait_stream(torch.cuda.current_stream(device))
        self._sent = [torch.cuda.Event() for _ in range(SLOTS)]
        self._left = [torch.cuda.Event() for _ in range(SLOTS)]

    def slot(self, slot: int) -> Tensor:
        """Give the bytes of a slot."""
        return self._slots[slot]

    def claim(self, slot: int) -> None:
        """Wait until the slot's staging memory has been sent, and let the side stream wait for the computing."""
        self._sent[slot].synchronize()
        self._stream.wait_event(self._left[slot])

    def send(self, slot: int, start: int, source: Tensor) -> None:
        """Copy to staging memory now, and to the device when the side stream gets there."""
        stop = start + source.nbytes
        staging = self._staging[slot][start:stop]
        staging.copy_(as_bytes(source))
        with torch.cuda.stream(self._stream):
            self._slots[slot][start:stop].copy_(staging, non_blocking=True)

    def sent(self, slot: int) -> None:
        """Mark the place on the side stream."""
        self._sent[slot].record(self._stream)

    def wait(self, slot: int) -> None:
        """Let the current stream wait for the mark."""
        torch.cuda.current_stream(self._device).wait_event(self._sent[slot])

    def leave(self, slot: int) -> None:
        """Mark the place on the current stream."""
        self._left[slot].record(torch.cuda.current_stream(self._device))
