"""Hooks on a live module: every declared tap is shown to a visitor, and nothing else is touched."""

import importlib
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from parity.capture.call_stack import CallStack, Frame
from parity.capture.visitors import Visitor
from parity.errors import BadInputError, IncompleteError
from parity.taps.plan import CallSite, TapPlan
from parity.taps.port import Port, Side, select, substitute


@dataclass(frozen=True)
class _Watched:
    """A tap and its port, bound once: a hook must never look its name up when it runs."""

    name: str
    port: Port


class Probe:
    """Watches one implementation through one forward pass.

    Used as a context manager around the call. Hooks and patched functions are gone when it ends, whatever
    happened. After an undisturbed pass every declared tap has been seen once, else IncompleteError.
    """

    def __init__(self, root: nn.Module, implementation: str, plan: TapPlan, visitor: Visitor):
        self._root, self._visitor = root, visitor
        self._modules = dict(root.named_modules())
        self._stack = CallStack()
        self._seen: set[str] = set()
        self._module_calls: Counter[str] = Counter()
        self._expected = plan.names
        self._by_module: dict[str, list[_Watched]] = defaultdict(list)
        self._by_call: dict[tuple[str, str, str], list[_Watched]] = defaultdict(list)
        self._constants: list[_Watched] = []
        for tap in plan:
            self._file(_Watched(tap.name, tap.ports[implementation]))
        self._sites = plan.call_sites.get(implementation, ())
        self._exit = ExitStack()

    def _file(self, watched: _Watched) -> None:
        port = watched.port
        if port.module not in self._modules and port.side is not Side.ATTR:
            raise IncompleteError(
                watched.name,
                f"no module {port.module!r}",
                "the module that the catalogue names",
                "correct the catalogue",
            )
        if port.side is Side.ATTR:
            self._constants.append(watched)
        elif port.function is not None and port.call is not None:
            self._by_call[port.module, port.function, port.call].append(watched)
        else:
            self._by_module[port.module].append(watched)

    def __enter__(self) -> "Probe":
        """Install the hooks and read the resolved constants."""
        try:
            for site in self._sites:
                self._exit.enter_context(self._patched(site))
            self._require_callers()
            # A function is told apart by the innermost running module, so all of them have to be known then.
            for path in self._modules if self._sites else list(self._by_module):
                self._hook(path)
            for watched in self._constants:
                self._show(watched.name, _constant(watched.name, self._attribute(watched)))
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove every hook; then, unless something failed already, refuse a pass that lacked a tap."""
        self._exit.close()
        if error is None:
            missing = [name for name in self._expected if name not in self._seen]
            if missing:
                raise IncompleteError(
                    missing[0],
                    f"not reached ({len(missing)} of {len(self._expected)} taps)",
                    "every declared tap once",
                    "correct the catalogue or its `when`, or the implementation left a step out",
                )

    def _require_callers(self) -> None:
        for path in (path for site in self._sites for path in site.calls if path not in self._modules):
            raise IncompleteError(f"call site {path!r}", "no such module", "a module", "correct the catalogue")

    def _attribute(self, watched: _Watched) -> Any:
        # Configuration may sit on objects that are not modules, which only attributes lead to.
        path = [part for part in watched.port.module.split(".") if part]
        module = self._modules.get(watched.port.module)
        owner = select(self._root, path, watched.name) if module is None else module
        return select(owner, watched.port.select, watched.name)

    def _hook(self, path: str) -> None:
        module, watched = self._modules[path], self._by_module.get(path, [])
        inputs = [w for w in watched if w.port.side is Side.IN]
        outputs = [w for w in watched if w.port.side is Side.OUT]
        signature = inspect.signature(module.forward) if inputs else None
        running: list[int] = []

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
            self._stack.enter(path)
            running.append(self._next_call(path, watched))
            now = _of_call(inputs, running[-1])
            return self._visit_inputs(signature, now, (args, kwargs)) if signature is not None and now else None

        def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            self._require_all_calls(self._stack.leave(path))
            return self._visit_outputs(_of_call(outputs, running.pop()), output)

        self._exit.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
        self._exit.callback(module.register_forward_hook(after).remove)

    def _next_call(self, path: str, watched: Sequence[_Watched]) -> int:
        index = self._module_calls[path]
        self._module_calls[path] += 1
        numbered = [w.port.occurrence for w in watched if w.port.occurrence is not None]
        if len(numbered) == len(watched) > 0 and index > max(numbered):
            raise IncompleteError(
                f"module {path!r}",
                f"call number {index + 1}",
                f"{max(numbered) + 1} calls",
                "declare every call of the module in the catalogue",
            )
        return index

    def _visit_inputs(
        self,
        signature: inspect.Signature,
        watched: Sequence[_Watched],
        call: tuple[tuple[Any, ...], dict[str, Any]],
    ) -> tuple[Any, Any] | None:
        bound = signature.bind(*call[0], **call[1])
        changed = False
        for item in watched:
            value = select(bound.arguments, item.port.select, item.name)
            new = self._show(item.name, value)
            if new is not None:
                bound.arguments.update(substitute(bound.arguments, item.port.select, new, item.name))
                changed = True
        return (bound.args, bound.kwargs) if changed else None

    def _visit_outputs(self, watched: Sequence[_Watched], output: Any) -> Any:
        for item in watched:
            new = self._show(item.name, select(output, item.port.select, item.name))
            if new is not None:
                output = substitute(output, item.port.select, new, item.name)
        return output

    def _show(self, name: str, value: Any) -> Tensor | None:
        if not isinstance(value, Tensor):
            raise IncompleteError(name, f"a {type(value).__name__}", "a tensor", "correct the port or its `when`")
        if name in self._seen:
            raise IncompleteError(
                name,
                "reached twice in one pass",
                "once",
                "declare both calls, or give the passes different scopes",
            )
        self._seen.add(name)
        return self._visitor.visit(name, value)

    @contextmanager
    def _patched(self, site: CallSite) -> Iterator[None]:
        owner, attribute, original = _resolve(site.target)
        setattr(owner, attribute, self._wrapped(site, original))
        try:
            yield
        finally:
            setattr(owner, attribute, original)

    def _wrapped(self, site: CallSite, original: Callable[..., Any]) -> Callable[..., Any]:
        taken = [w for call, found in self._by_call.items() if call[1] == site.function for w in found]
        signature = _signature(original) if any(w.port.side is Side.IN for w in taken) else None

        def watched_call(*args: Any, **kwargs: Any) -> Any:
            watched = self._call(site)
            inputs = [w for w in watched if w.port.side is Side.IN]
            changed = self._visit_inputs(signature, inputs, (args, kwargs)) if signature and inputs else None
            args, kwargs = changed if changed is not None else (args, kwargs)
            output = original(*args, **kwargs)
            return self._visit_outputs([w for w in watched if w.port.side is Side.OUT], output)

        return watched_call

    def _require_all_calls(self, frame: Frame) -> None:
        for site in self._sites:
            declared = site.calls.get(frame.path, ())
            if frame.calls[site.function] < len(declared):
                raise IncompleteError(
                    f"{frame.path}::{site.function}",
                    f"{frame.calls[site.function]} calls",
                    f"{len(declared)}: {', '.join(declared)}",
                    "declare the calls of this pass in the catalogue: which one was left out cannot be told",
                )

    def _call(self, site: CallSite) -> Sequence[_Watched]:
        position = self._stack.count(site.function)
        if position is None or position[0] not in site.calls:
            return ()
        path, index = position
        declared = site.calls[path]
        if index >= len(declared):
            raise IncompleteError(
                f"{path}::{site.function}",
                f"call number {index + 1}",
                f"{len(declared)} calls: {', '.join(declared)}",
                "declare the calls of this pass in the catalogue",
            )
        return self._by_call.get((path, site.function, declared[index]), ())


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:
        # Functions of torch itself have none to read: their inputs go by number, `in.args.0`.
        return inspect.signature(lambda *args, **kwargs: None)


def _of_call(watched: Sequence[_Watched], index: int) -> list[_Watched]:
    return [w for w in watched if w.port.occurrence in (None, index)]


def _resolve(target: str) -> tuple[Any, str, Callable[..., Any]]:
    module_name, _, path = target.partition(":")
    *owners, attribute = path.split(".")
    try:
        owner: Any = importlib.import_module(module_name)
        for name in owners:
            owner = getattr(owner, name)
        return owner, attribute, vars(owner)[attribute]
    except (ImportError, AttributeError, KeyError) as error:
        raise BadInputError(
            f"function {target}",
            f"not found ({error})",
            "a function of the implementation",
            "correct the catalogue",
        ) from error


def _constant(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    try:
        # float64 holds every number of a configuration exactly.
        return torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise IncompleteError(
            name, f"a {type(value).__name__}", "a number or numbers", "tap something comparable"
        ) from None


def hooks_of(root: nn.Module) -> Mapping[str, int]:
    """Count the forward hooks on every module, to show that none is left."""
    return {path: len(module._forward_hooks) + len(module._forward_pre_hooks) for path, module in root.named_modules()}
