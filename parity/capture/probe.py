"""Hooks on a live module: every declared tap is shown to a visitor, and nothing else is touched."""

import importlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from parity.capture.call_stack import CallStack, Frame
from parity.capture.visitors import Visitor
from parity.errors import BadInputError, IncompleteError
from parity.taps.plan import CallSite, TapPlan, Watched
from parity.taps.port import Side, select, substitute

# Which of several implementations that run beside each other is running now.
_SIDE: ContextVar[object] = ContextVar("side", default=None)


def as_another_side(run: Callable[[], None]) -> None:
    """Run on a stack of its own: probes entered there do not see the calls of who runs beside, nor the other way."""
    _SIDE.set(object())
    run()


class Probe:
    """Watches one implementation through one forward pass.

    Used as a context manager around the call. Hooks and patched functions are gone when it ends, whatever
    happened. After an undisturbed pass every declared tap has been seen once, else IncompleteError. With `next_pass`
    between them it may watch several (constants are shown once).
    """

    def __init__(self, root: nn.Module, implementation: str, plan: TapPlan, visitor: Visitor):
        self._root, self._visitor = root, visitor
        self._modules = _Modules(root)
        self._stack = CallStack()
        self._seen: set[str] = set()
        self._module_calls: Counter[str] = Counter()
        self._expected, self._by_module, self._by_call, self._constants = plan.filed(implementation)
        self._sites = plan.call_sites.get(implementation, ())
        self._callers = frozenset(path for site in self._sites for path in site.calls)
        self._exit = ExitStack()
        # While a visitor looks, what it calls for itself is no part of the pass.
        self._showing = False
        self._require_modules()

    def _require_modules(self) -> None:
        for group in (*self._by_module.values(), *self._by_call.values()):
            watched = group[0]
            if watched.port.module not in self._modules:
                raise IncompleteError(
                    watched.name,
                    f"no module {watched.port.module!r}",
                    "the module that the catalogue names",
                    "correct the catalogue",
                )

    def __enter__(self) -> "Probe":
        """Install the hooks and read the resolved constants."""
        self._side = _SIDE.get()
        try:
            for site in self._sites:
                self._exit.enter_context(self._patched(site))
            self._require_callers()
            self._hook_all()
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
            self._require_all()

    def next_pass(self) -> None:
        """Be ready for another pass of the same plan; IncompleteError where the one before lacked a tap."""
        self._require_all()
        self._seen = {watched.name for watched in self._constants}
        self._module_calls.clear()

    def _require_all(self) -> None:
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

    def _attribute(self, watched: Watched) -> Any:
        # Configuration may sit on objects that are not modules, which only attributes lead to.
        path = [part for part in watched.port.module.split(".") if part]
        known = watched.port.module in self._modules
        owner = self._modules[watched.port.module] if known else select(self._root, path, watched.name)
        return select(owner, watched.port.select, watched.name)

    def _watched_paths(self) -> list[str]:
        # A function is told apart by the innermost running module, so all of them have to be known then.
        return [path for path, _ in self._root.named_modules()] if self._sites else list(self._by_module)

    def _hook_all(self) -> None:
        for path in self._watched_paths():
            self._hook(path)

    def _hook(self, path: str) -> None:
        module, watched = self._modules[path], self._by_module.get(path, [])
        inputs = [w for w in watched if w.port.side is Side.IN]
        outputs = [w for w in watched if w.port.side is Side.OUT]
        signature = signature_of(module) if inputs else None
        running: list[int] = []

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
            self._stack.enter(path)
            running.append(self._next_call(path, watched))
            now = of_call(inputs, running[-1])
            return self._visit_inputs(signature, now, (args, kwargs)) if signature is not None and now else None

        def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            self._require_all_calls(self._stack.leave(path))
            return self._visit_outputs(of_call(outputs, running.pop()), output)

        self._exit.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
        self._exit.callback(module.register_forward_hook(after).remove)

    def _next_call(self, path: str, watched: Sequence[Watched]) -> int:
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
        watched: Sequence[Watched],
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

    def _visit_outputs(self, watched: Sequence[Watched], output: Any) -> Any:
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
        self._showing = True
        new = self._visitor.visit(name, value)
        self._showing = False
        return new

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
            # Another implementation may be running beside this one, and use the same function, or the visitor may.
            if self._showing or _SIDE.get() is not self._side:
                return original(*args, **kwargs)
            watched = self._call(site)
            inputs = [w for w in watched if w.port.side is Side.IN]
            changed = self._visit_inputs(signature, inputs, (args, kwargs)) if signature and inputs else None
            args, kwargs = changed if changed is not None else (args, kwargs)
            output = original(*args, **kwargs)
            return self._visit_outputs([w for w in watched if w.port.side is Side.OUT], output)

        return watched_call

    def _require_all_calls(self, frame: Frame) -> None:
        if frame.path not in self._callers:
            return
        for site in self._sites:
            declared = site.calls.get(frame.path, ())
            if frame.called(site.function) < len(declared):
                raise IncompleteError(
                    f"{frame.path}::{site.function}",
                    f"{frame.called(site.function)} calls",
                    f"{len(declared)}: {', '.join(declared)}",
                    "declare the calls of this pass in the catalogue: which one was left out cannot be told",
                )

    def _call(self, site: CallSite) -> Sequence[Watched]:
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


class _Modules(dict[str, nn.Module]):
    """The modules of a root by path, found when asked for: a plan names few of a large model's."""

    def __init__(self, root: nn.Module):
        super().__init__({"": root})

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._found(path) is not None

    def __missing__(self, path: str) -> nn.Module:
        found = self._found(path)
        if found is None:
            raise KeyError(path)
        return found

    def _found(self, path: str) -> nn.Module | None:
        if path not in self.keys():
            parent, _, name = path.rpartition(".")
            above = self._found(parent) if path else None
            found = None if above is None else above._modules.get(name)
            if found is None:
                return None
            self[path] = found
        return self.get(path)


def signature_of(module: nn.Module) -> inspect.Signature:
    """Give the signature of a module's forward, as it is called."""
    forward = module.forward
    if inspect.ismethod(forward):
        return _signature_of_method(forward.__func__)
    return inspect.signature(forward)


@lru_cache(maxsize=1024)
def _signature_of_method(function: Callable[..., Any]) -> inspect.Signature:
    # Reading a signature takes longer than many a forward, and the modules of a model are of few classes.
    whole = inspect.signature(function)
    return whole.replace(parameters=list(whole.parameters.values())[1:])


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:
        # Functions of torch itself have none to read: their inputs go by number, `in.args.0`.
        return inspect.signature(lambda *args, **kwargs: None)


def of_call(watched: Sequence[Watched], index: int) -> list[Watched]:
    """Give what is shown in the call of that number."""
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
