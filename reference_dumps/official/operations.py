"""Shows what an official function computes in its local variables, while it runs as it is.

Torch tells of each operation on tensors (TorchFunctionMode); the results of arithmetic go through modules that do
nothing but can be watched. The operations are declared by name and in order, so a release that computes otherwise is
refused, not misread.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from parity.errors import IncompleteError

_ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "std", "mean", "lerp", "pow"}


class Shown(nn.Module):
    """A place to watch: gives what it takes."""

    def forward(self, x: Tensor) -> Tensor:
        """Give x."""
        return x


class Operations(nn.ModuleDict):
    """The arithmetic of one official function: for each operation, in order, what it gives and torch's name of it."""

    def __init__(self, function: str, steps: Mapping[str, str]):
        super().__init__({name: Shown() for name in steps})
        self._function, self._steps = function, tuple(steps.items())

    def watch(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the function and show its operations; it may end before the last of them, but has no others."""
        watch = _Watch(self)
        with watch:
            return function(*args, **kwargs)

    def show(self, number: int, operation: str, result: Any) -> Any:
        """Show one result; IncompleteError where another operation was declared."""
        name, expected = self._steps[number] if number < len(self._steps) else ("", "no more operations")
        if operation != expected:
            raise IncompleteError(
                f"{self._function}, operation {number + 1}",
                operation,
                expected,
                "another release computes otherwise: declare its operations",
            )
        return self[name](result)


class _Watch(TorchFunctionMode):
    def __init__(self, operations: Operations):
        super().__init__()
        self._operations, self._done = operations, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") not in _ARITHMETIC:
            return result
        self._done += 1
        return self._operations.show(self._done - 1, func.__name__, result)
