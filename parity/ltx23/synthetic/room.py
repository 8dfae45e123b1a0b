"""Whether weights that are made on a device fit there, asked before any of them is made."""

import math
from collections import Counter
from dataclasses import dataclass

import torch

from parity.binding import WeightsForm
from parity.errors import BadInputError
from parity.ltx23.synthetic.resident import ResidentWeights
from parity.ltx23.synthetic.streamed import block_of


@dataclass(frozen=True)
class Needs:
    """Bytes of weights in one dtype: those outside of blocks, and of each block. `sides`: how many hold them."""

    outside: int
    blocks: tuple[int, ...]
    sides: int

    @staticmethod
    def of(weights: ResidentWeights, dtype: torch.dtype, sides: int) -> "Needs":
        """Count the weights of `sides` implementations."""
        found = Counter[int | None]()
        for key in weights.keys():  # noqa: SIM118  (not a mapping)
            found[block_of(key)] += math.prod(weights.shape(key)) * dtype.itemsize
        return Needs(found.pop(None, 0), tuple(found.values()), sides)

    @property
    def forms(self) -> dict[WeightsForm, int]:
        """Give what each form takes at most, the largest first; what comes and goes in a pass is not in it."""
        whole = self.outside + sum(self.blocks)
        return {
            WeightsForm.COPIES: self.sides * whole,
            **({WeightsForm.SHARED: whole} if self.sides > 1 else {}),
            # Side by side each may be inside of another block.
            WeightsForm.STREAMED: self.outside + self.sides * max(self.blocks, default=0),
        }


def free_bytes(device: torch.device) -> int | None:
    """Give how many bytes a CUDA device has to give, with what torch holds in reserve there; None for the CPU."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def require_room(where: str, form: WeightsForm, needs: Needs, free: int) -> None:
    """Refuse weights that do not fit by themselves: BadInputError names a form that does."""
    needed = needs.forms[form]
    if needed <= free:
        return
    fits = next((other for other, nbytes in needs.forms.items() if nbytes <= free), None)
    next_step = "use a device with more memory"
    if fits is not None:
        next_step = f"give --weights {fits}, which takes {_told(needs.forms[fits])}"
    raise BadInputError(where, f"{_told(free)} free", f"{_told(needed)} for weights in the form {form}", next_step)


def _told(nbytes: int) -> str:
    return f"{nbytes / 2**30:.1f} GiB"
