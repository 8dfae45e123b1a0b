"""Which engine measures: compiled code where numba is installed and the elements are on the CPU, torch otherwise."""

from functools import cache
from typing import Protocol

import torch

from parity.errors import BadInputError
from parity.metrics.exactness import Pair
from parity.metrics.found import Found, Subject
from parity.metrics.options import CompareOptions
from parity.metrics.torch_engine import TorchEngine


class Engine(Protocol):
    """Measures one run of elements after another."""

    @property
    def name(self) -> str:
        """What measures, with its version."""
        ...

    def measure(self, subject: Subject, options: CompareOptions, start: int, pair: Pair, floor: float) -> Found:
        """Give what is found in the elements from flat position `start` on; see `TorchEngine.measure`."""
        ...


def engine_for(device: torch.device, options: CompareOptions) -> Engine:
    """Give the engine that the options name, or the quickest for a device.

    Raises `BadInputError` where the named engine cannot be had.
    """
    if options.engine == "torch" or (options.engine is None and device.type != "cpu"):
        return _torch_engine()
    compiled = _compiled_engine()
    if isinstance(compiled, str):
        if options.engine is not None:
            raise BadInputError(options.name, f"engine {options.engine!r}: {compiled}", "numba", "pip install numba")
        return _torch_engine()
    return compiled


def engine_name(device: torch.device | str = "cpu") -> str:
    """Say what measures tensors on a device here, and why where that is the slower engine."""
    if torch.device(device).type != "cpu":
        return _torch_engine().name
    compiled = _compiled_engine()
    return f"{_torch_engine().name} ({compiled})" if isinstance(compiled, str) else compiled.name


@cache
def _torch_engine() -> Engine:
    return TorchEngine()


@cache
def _compiled_engine() -> Engine | str:
    try:
        # Imported here: numba takes a moment, and everything works without it.
        from parity.metrics.compiled.engine import CompiledEngine
    except ImportError as error:
        # numba also refuses a numpy that is too new for it in this way.
        return " ".join(str(error).split())
    return CompiledEngine()
