"""Negative controls of blame: what it says of a correct port's values when legitimate noise alone moves them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from parity.blame import Hint, HintKind, hint_for
from parity.capture import Mode
from parity.errors import IncompleteError
from parity.ltx23.stage import Case
from parity.ltx23.world import Variation, World
from parity.run.forward import Forward, observe

NOISES = ("threads", "math kernel", "bfloat16")
"""Another number of threads; the plain attention kernel; bfloat16 where the other side computes in float32."""
# Values before the one in question that a hint may draw upon: what a search finds nearest, and costs most.
_INPUTS = 12


@dataclass(frozen=True)
class Moved:
    """A value that noise moved: its tap, the noise, and what was said of it (None: nothing)."""

    tap: str
    noise: str
    hint: Hint | None

    @property
    def misled(self) -> bool:
        """Whether something other than rounding is said to have moved it."""
        return self.hint is not None and self.hint.kind is not HintKind.ROUNDING


def moved(case: Case, dtype: torch.dtype, noise: str, world: World, every: int = 1) -> Iterator[Moved]:
    """Give every Nth value of a case that a noise moves in the port, and what is said of it.

    `dtype` is the precision of the quiet side for all noises but `bfloat16`, whose quiet side is float32.
    IncompleteError for a noise of no such name.
    """
    if noise not in NOISES:
        raise IncompleteError("control", noise, f"one of {', '.join(NOISES)}", "choose one")
    count = 0
    for forward in world.forwards(case, torch.bfloat16 if noise == "bfloat16" else dtype):
        quiet, noisy = _both(case, dtype, noise, world, forward)
        names = [name for name in forward.plan.names if name in quiet and name in noisy]
        for place, name in enumerate(names):
            own, reference = noisy[name], quiet[name]
            if own.shape != reference.shape or torch.equal(own.double(), reference.double()):
                continue
            count += 1
            if count % every:
                continue
            before = [quiet[other] for other in names[max(0, place - _INPUTS) : place]]
            yield Moved(name, noise, hint_for(own, reference, before))


def _both(
    case: Case, dtype: torch.dtype, noise: str, world: World, forward: Forward
) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """Give the values of a pass without the noise, and with it."""
    if noise == "bfloat16":
        quiet = observe(world.port(case, torch.float32), world.widened(forward), Mode.CHAINED)
        return quiet, observe(world.port(case, torch.bfloat16), forward, Mode.CHAINED)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        quiet = observe(world.port(case, dtype), forward, Mode.CHAINED)
        if noise == "threads":
            torch.set_num_threads(4)
        else:
            world.vary(Variation(attention="math"))
        return quiet, observe(world.port(case, dtype), forward, Mode.CHAINED)
    finally:
        torch.set_num_threads(before)
        world.vary(Variation())
