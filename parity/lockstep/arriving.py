"""Figures on their way from a device to the host, while both go on with other work."""

from collections.abc import Sequence

import torch

from parity.lockstep.readers import Read


class Arriving:
    """What was read of some pairs, in order; asked for when it is needed, which waits for the work before it alone."""

    def __init__(self, read: Sequence[Read]):
        parts = [torch.stack([part.differ.double(), part.squares.double()]) for part in read]
        device = next((part.device for part in parts if part.device.type == "cuda"), parts[0].device)
        found = torch.cat([part.to(device, non_blocking=True) for part in parts], dim=1)
        self._event: torch.cuda.Event | None = None
        self._host = found
        if device.type == "cuda":
            with torch.cuda.device(device):
                self._host = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
                self._host.copy_(found, non_blocking=True)
                self._event = torch.cuda.Event()
                self._event.record()

    def values(self) -> tuple[list[float], list[float]]:
        """Give what each pair has: not 0 where a bit differs, and the sum of squares."""
        if self._event is not None:
            self._event.synchronize()
        differ, squares = self._host.tolist()
        return differ, squares
