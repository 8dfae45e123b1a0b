"""Taps at a fraction of a hook's cost, for visitors that change nothing."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from parity.capture.probe import Probe, signature_of
from parity.errors import IncompleteError
from parity.taps.plan import Watched
from parity.taps.port import Side, select

_Forward = Callable[..., Any]
_Reader = Callable[[Sequence[Any], Mapping[str, Any]], Any]


class Watch(Probe):
    """A probe that leaves every value as it is.

    The `forward` of a tapped module is wrapped, which costs it one more call of a function: torch takes a slower way
    through a module with hooks. Unlike a hook it also sees a module whose `forward` is called directly.
    """

    def _hook_all(self) -> None:
        # One entry for all modules, and few objects for each: otherwise collecting garbage takes most of the time.
        wrapped: list[tuple[nn.Module, _Forward | None]] = []
        self._exit.callback(_unwrap, wrapped)
        for path in self._watched_paths():
            module, watched = self._modules[path], self._by_module.get(path, ())
            wrapped.append((module, module.__dict__.get("forward")))
            forward = self._watching(path, module, watched) if watched else module.forward
            module.__dict__["forward"] = partial(self._running, path, forward) if self._sites else forward

    def _running(self, path: str, forward: _Forward, *args: Any, **kwargs: Any) -> Any:
        """Run a module and note meanwhile that it is the innermost one."""
        self._stack.enter(path)
        output = forward(*args, **kwargs)
        self._require_all_calls(self._stack.leave(path))
        return output

    def _watching(self, path: str, module: nn.Module, watched: Sequence[Watched]) -> _Forward:
        first = watched[0].port
        if len(watched) == 1 and first.side is Side.OUT and not first.select and first.occurrence is None:
            return partial(self._whole_output, watched[0].name, module.forward)
        if any(item.port.occurrence is not None for item in watched):
            return partial(self._numbered, path, watched, _Parts.by_number(watched, module), module.forward)
        return partial(self._parts, _Parts(watched, module), module.forward)

    def _whole_output(self, name: str, forward: _Forward, *args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        # As `_show_unchanged`, without its call: most taps are of this kind.
        self._showing = True
        if name in self._seen or not isinstance(output, Tensor) or self._visitor.visit(name, output) is not None:
            self._refuse(name, output)
        self._showing = False
        self._seen.add(name)
        return output

    def _parts(self, parts: "_Parts", forward: _Forward, *args: Any, **kwargs: Any) -> Any:
        for name, read in parts.inputs:
            self._show_unchanged(name, read(args, kwargs))
        output = forward(*args, **kwargs)
        for name, path in parts.outputs:
            self._show_unchanged(name, select(output, path, name))
        return output

    def _numbered(
        self,
        path: str,
        watched: Sequence[Watched],
        parts: Mapping[int | None, "_Parts"],
        forward: _Forward,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        index = self._next_call(path, watched)
        return self._parts(parts[index] if index in parts else parts[None], forward, *args, **kwargs)

    def _show_unchanged(self, name: str, value: Any) -> None:
        self._showing = True
        if name in self._seen or not isinstance(value, Tensor) or self._visitor.visit(name, value) is not None:
            self._refuse(name, value)
        self._showing = False
        self._seen.add(name)

    def _refuse(self, name: str, value: Any) -> None:
        if name in self._seen or not isinstance(value, Tensor):
            self._show(name, value)
        raise IncompleteError(name, "a visitor that replaces values", "one that leaves them", "use a Probe")


class _Parts:
    """What of the inputs and the output of a module is shown."""

    def __init__(self, watched: Sequence[Watched], module: nn.Module):
        self.inputs = [(item.name, _reader(item, module)) for item in watched if item.port.side is Side.IN]
        self.outputs = [(item.name, item.port.select) for item in watched if item.port.side is Side.OUT]

    @staticmethod
    def by_number(watched: Sequence[Watched], module: nn.Module) -> "dict[int | None, _Parts]":
        """Give them for each numbered call; None: for all others."""
        always = [item for item in watched if item.port.occurrence is None]
        numbered: dict[int | None, list[Watched]] = defaultdict(list)
        for item in watched:
            if item.port.occurrence is not None:
                numbered[item.port.occurrence].append(item)
        found = {index: _Parts([*always, *items], module) for index, items in numbered.items()}
        return {**found, None: _Parts(always, module)}


def _unwrap(wrapped: Sequence[tuple[nn.Module, _Forward | None]]) -> None:
    for module, own in wrapped:
        if own is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = own


def _reader(item: Watched, module: nn.Module) -> _Reader:
    """Give what finds an argument of a call; binding all of them to their names, as always, takes far longer."""
    signature = signature_of(module)
    name, *rest = item.port.select
    plain = [p.name for p in signature.parameters.values() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    position = plain.index(name) if name in plain else None

    def read(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if position is not None and position < len(args):
            value = args[position]
        elif position is not None and name in kwargs:
            value = kwargs[name]
        else:
            return select(signature.bind(*args, **kwargs).arguments, item.port.select, item.name)
        return select(value, rest, item.name) if rest else value

    return read
