"""Legitimate ways to compute the reference of a case: the ensemble that its noise is measured on."""

import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from parity.calibrate.arithmetic import FAMILIES, attention_kernel, kernels_here, split_products, threads, wider
from parity.calibrate.ensemble import Member, Yardstick
from parity.capture import Recording
from parity.ltx23.stage import Case, Pass
from parity.ltx23.stages import stage_of
from parity.ltx23.world import World
from parity.run.forward import Forward, Implementation, Mode, observe

# Members whose inputs are moved, which says how steps pass errors on; a run of the suite `drift` moves none.
MOVED = ("inputs-0", "inputs-1", "together")


def yardstick(world: World, case: Case, dtype: torch.dtype) -> Yardstick:
    """Give the running reference of a case in a precision, and in the widest that its stage can run it in."""
    stage = stage_of(case)
    truth, passes = stage.truths.get(dtype, torch.float64), world.forwards(case, dtype)
    widened = [Forward(one.name, one.inputs.to(truth), one.plan) for one in passes]
    return Yardstick(
        (world.official(case, dtype), passes), (world.official(case, truth), widened), stage.set_by_precision
    )


def members(world: World, case: Case, dtype: torch.dtype) -> list[Member]:
    """Give the ensemble of a case for the world's inputs; what is drawn for them is drawn anew for other inputs.

    Where no input follows the working precision, there is nothing to move by half a unit of it.
    """
    draw = random.Random(f"{case.id} {dtype} {world.inputs}")
    kernels = [Member(f"kernel-{name}", partial(attention_kernel, name)) for name in kernels_here(world.device)]
    moves = [partial(half_ulp, dtype=dtype, seed=draw.getrandbits(60)) for _ in range(3)]
    shares = [0.5, draw.uniform(0.1, 0.9), draw.uniform(0.1, 0.9)]
    together = partial(
        _all, partial(attention_kernel, "math"), partial(split_products, shares[2]), partial(wider, *FAMILIES)
    )
    movable = any(_follows(one, dtype) for one in world.passes(case, dtype))
    found = [
        Member("plain"),
        *kernels,
        Member("threads-2", partial(threads, 2)),
        *(Member(f"inputs-{number}", moved=move) for number, move in enumerate(moves[:2]) if movable),
        *(Member(f"split-{number}", partial(split_products, share)) for number, share in enumerate(shares[:2])),
        *(Member(f"wider-{family}", partial(wider, family)) for family in FAMILIES),
        Member("together", together, moves[2] if movable else None),
    ]
    join = stage_of(case).join
    if join is not None:
        joined = Joined(world, case, dtype)
        if joined.possible:
            found.append(Member("batched", observe=joined.observe))
    return found


@contextmanager
def _all(*contexts: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for context in contexts:
            entered: AbstractContextManager[Any] = context()
            stack.enter_context(entered)
        yield


def half_ulp(inputs: Pass, dtype: torch.dtype, seed: int) -> Pass:
    """Move each number of a pass's inputs by half a unit in the last place of the precision, on average.

    A number moves to the next one up or down, or stays, by the seed; zeros stay, and so does whatever does not follow
    the working precision.
    """
    generator = torch.Generator().manual_seed(seed)
    moved: Pass = _moved(inputs, inputs.to(_another(dtype)), generator)
    return moved


def _another(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype is not torch.float32 else torch.float64


def _follows(inputs: Pass, dtype: torch.dtype) -> bool:
    """Whether any number of a pass follows the working precision."""
    other = inputs.to(_another(dtype)).tensors()
    return any(tensor.dtype != other[name].dtype for name, tensor in inputs.tensors().items())


def _moved(value: Any, converted: Any, generator: torch.Generator) -> Any:
    """Walk a pass and its conversion side by side: what the conversion changed follows the working precision."""
    if isinstance(value, Tensor):
        return value if value.dtype == converted.dtype else _neighbours(value, generator)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [item.name for item in dataclasses.fields(value) if item.init]
        parts = {name: _moved(getattr(value, name), getattr(converted, name), generator) for name in names}
        return dataclasses.replace(value, **parts)
    if isinstance(value, Mapping):
        return {name: _moved(item, converted[name], generator) for name, item in value.items()}
    if type(value) is tuple:
        return tuple(_moved(item, other, generator) for item, other in zip(value, converted, strict=True))
    return value


def _neighbours(value: Tensor, generator: torch.Generator) -> Tensor:
    turn = torch.randint(0, 4, value.shape, generator=generator).to(value.device)
    towards = torch.where(turn == 0, -torch.inf, torch.inf).to(value.dtype)
    return torch.where((turn < 2) & (value != 0), torch.nextafter(value, towards), value)


class Joined:
    """The passes of a case in one batch, each given its part of what the batch shows."""

    def __init__(self, world: World, case: Case, dtype: torch.dtype):
        stage, self._passes = stage_of(case), world.forwards(case, dtype)
        whole = stage.join([one.inputs for one in self._passes]) if stage.join is not None else None
        self.possible = whole is not None
        if whole is not None:
            self._forward = Forward(whole.name, whole, stage.plan(whole, world.setting(case, dtype)))
        self._reference = partial(world.official, case, dtype)
        self._batch: Recording | None = None

    def observe(
        self, implementation: Implementation, passes: Sequence[Forward], mode: Mode, values: Sequence[Recording]
    ) -> list[Recording]:
        """Run the batch; `passes` are those that were joined, `values` what they are fed in forced modes."""
        names = [{name: self._renamed(name, one) for name in one.plan.names} for one in passes]
        forced = {}
        if mode is not Mode.CHAINED:
            self._batch = self._batch or self._fed(names, values)
            forced = {name: self._together(name, tensor, names, values) for name, tensor in self._batch.items()}
        seen = observe(implementation, self._forward, mode, forced)
        return [self._part(seen, own, at, values[at]) for at, own in enumerate(names)]

    def _fed(self, names: Sequence[Mapping[str, str]], values: Sequence[Recording]) -> Recording:
        """Give what the reference's batch shows where it is fed the values of the passes alone.

        A pass alone does not show every tap of the batch. There the batch is fed this: a candidate's own value would
        let its error pass, and one of the reference's chained batch is as far from the pass alone as rounding grows.
        """
        reference = self._reference()
        chained = observe(reference, self._forward)
        forced = {name: self._together(name, tensor, names, values) for name, tensor in chained.items()}
        return observe(reference, self._forward, Mode.ISOLATED, forced)

    def _renamed(self, name: str, single: Forward) -> str:
        return name.replace(f".{single.name}.", f".{self._forward.name}.", 1)

    def _part(self, whole: Recording, names: Mapping[str, str], at: int, alone: Recording) -> Recording:
        """Cut one pass's part out of every tap that has a batch."""
        count = len(self._passes)
        return {
            name: whole[other] if whole[other].shape == alone[name].shape else whole[other].chunk(count)[at]
            for name, other in names.items()
        }

    def _together(
        self, name: str, batch: Tensor, names: Sequence[Mapping[str, str]], values: Sequence[Recording]
    ) -> Tensor:
        """Put the values of a tap together; where a pass does not show it, its part of the reference's batch."""
        alone = [{other: one[single] for single, other in own.items()} for own, one in zip(names, values, strict=True)]
        shown = [part[name] for part in alone if name in part]
        if not shown or shown[0].shape == batch.shape:
            return shown[0] if shown else batch
        parts = batch.chunk(len(self._passes))
        return torch.cat([part.get(name, own) for part, own in zip(alone, parts, strict=True)])
