"""A synthetic checkpoint of which one block at a time is there: for devices without room for 38 GB."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parity.errors import BadInputError
from parity.ltx23.synthetic.resident import ResidentWeights
from parity.ltx23.synthetic.spec import FileSpec
from parity.ltx23.synthetic.turns import Part, Turns

_BLOCK = re.compile(r"model\.diffusion_model\.transformer_blocks\.(\d+)\.")
_ANOTHER_FORM = "hold the weights in another form (--weights copies)"


def block_of(key: str) -> int | None:
    """Give the number of the transformer's block that an official key belongs to, None for what is in no block."""
    found = _BLOCK.match(key)
    return None if found is None else int(found[1])


class _Handed(NamedTuple):
    key: str
    stand_in: Tensor


class _Place(NamedTuple):
    live: Tensor
    key: str
    stand_in: Tensor


class StreamedWeights(ResidentWeights):
    """The tensors of the file that a spec describes, those of blocks only while an implementation is inside.

    All others are made once and shared. Of a tensor of a block `read` gives a stand-in of the right shape and dtype
    that takes up one element: 0 for the loader that checks or casts it, NaN from the next call on. What was loaded has
    to be given to `stream`: otherwise it computes NaN, which is no pass.
    """

    def __init__(self, spec: FileSpec, path: Path, device: torch.device):
        super().__init__(spec, path, device, shared=True)
        keys = defaultdict[int, list[str]](list)
        for key in self.keys():
            block = block_of(key)
            if block is not None:
                keys[block].append(key)
        made = ResidentWeights(spec, path, device)
        self.turns = Turns(lambda key, dtype: made.read(key, device, dtype), keys)
        self._handed: dict[int, _Handed] = {}
        self._last: Tensor | None = None

    def read(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Give one tensor on a device, rounded to the file's dtype and then to `dtype`; of a block a stand-in."""
        self._void_last()
        if block_of(key) is None:
            return super().read(key, device, dtype)
        with torch.inference_mode(False):
            self._last = torch.zeros(1, dtype=dtype or self.dtype, device=self.device)
            stand_in = self._last.expand(self.shape(key))
        self._handed[stand_in.data_ptr()] = _Handed(key, stand_in)
        return stand_in.to(device)

    def stream(self, root: nn.Module) -> None:
        """Have the blocks of an implementation, loaded by the last calls of `read`, come in turn.

        BadInputError where a parameter is not the very tensor that was given out, so that its weights would never come.
        """
        self._void_last()
        handed, self._handed = self._handed, {}
        found = defaultdict[Part, dict[str, _Place]](dict)
        for name, live in chain(root.named_parameters(), root.named_buffers()):
            given = handed.pop(live.data_ptr(), None)
            if given is not None:
                part = Part(int(block_of(given.key) or 0), live.dtype)
                found[part][name] = _Place(live, given.key, given.stand_in)
        for lost in handed.values():
            got = f"no parameter of the loaded implementation ({len(handed)} in all)"
            raise BadInputError(lost.key, got, "the tensor that its loader was given", _ANOTHER_FORM)
        for path, part in _modules(found).items():
            _come_in_turn(root.get_submodule(path), part, tuple(found[part].values()), self.turns)

    def _void_last(self) -> None:
        if self._last is not None:
            self._last.fill_(torch.nan)
            self._last = None


def _modules(found: Mapping[Part, Mapping[str, _Place]]) -> dict[str, Part]:
    """Give the path of the module that each block is: the innermost one with all of its parameters."""
    paths = {part: _common_parent(names) for part, names in found.items()}
    modules = {path: part for part, path in paths.items()}
    if len(modules) < len(paths):
        shared = next(path for part, path in paths.items() if modules[path] != part)
        raise BadInputError(f"module {shared!r}", "weights of several blocks", "a module for each block", _ANOTHER_FORM)
    return modules


def _common_parent(names: Iterable[str]) -> str:
    steps = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return ".".join(step[0] for step in takewhile(lambda step: len(set(step)) == 1, steps))


def _come_in_turn(module: nn.Module, part: Part, places: Sequence[_Place], turns: Turns) -> None:
    # Not by hooks: torch runs none when a pass is abandoned, which is no `Exception`.
    forward: Callable[..., Any] = module.forward

    @wraps(forward)
    def in_turn(*args: Any, **kwargs: Any) -> Any:
        _require_away(places, part)
        turns.enter(part)
        try:
            _put(places, turns.tensors(part))
            return forward(*args, **kwargs)
        finally:
            for place in places:
                place.live.data = place.stand_in
            turns.leave(part)

    module.__dict__["forward"] = in_turn


def _require_away(places: Sequence[_Place], part: Part) -> None:
    """Refuse weights that were replaced or moved, as `Module.to` does, and a block that runs inside of itself."""
    for place in places:
        if place.live.data_ptr() != place.stand_in.data_ptr():
            got = "not where it was left: replaced, or its block runs inside of itself"
            raise BadInputError(f"block {part.block}: {place.key}", got, "a parameter as it was loaded", _ANOTHER_FORM)


def _put(places: Sequence[_Place], tensors: Mapping[str, Tensor]) -> None:
    for place in places:
        place.live.data = tensors[place.key]
