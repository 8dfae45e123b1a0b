"""One implementation, one forward pass, every declared tap."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from parity.capture import Forcing, Mode, Probe, Recorder, Recording, Visitor, Watch, forced
from parity.errors import IncompleteError, ParityError
from parity.taps import TapPlan

__all__ = ["Forward", "Implementation", "Mode", "observe"]


@dataclass(frozen=True)
class Implementation:
    """A live model: its name in the catalogue, the module that hooks go on, and how one pass is run."""

    name: str
    root: nn.Module
    call: Callable[[nn.Module, Any], None]


@dataclass(frozen=True)
class Forward:
    """One pass of a case: its inputs, opaque to the engine, and the taps that it must show."""

    name: str
    inputs: Any
    plan: TapPlan


def observe(
    implementation: Implementation,
    forward: Forward,
    mode: Mode = Mode.CHAINED,
    values: Recording | None = None,
) -> Recording:
    """Run one pass and give what every tap showed, before any forcing.

    `values` are what TEACHER_FORCED and ISOLATED force. IncompleteError where a tap is missing, extra or not a
    tensor, or where the implementation fails.
    """
    recorder = Recorder()
    visitor = forced(recorder, Forcing(forced_names(implementation, forward, mode), values or {}))
    show(implementation, forward, visitor, forces=True)
    return recorder.recording


def forced_names(implementation: Implementation, forward: Forward, mode: Mode) -> frozenset[str]:
    """Name the taps that a mode replaces."""
    return {
        Mode.CHAINED: frozenset[str](),
        Mode.TEACHER_FORCED: forward.plan.boundaries,
        Mode.ISOLATED: frozenset(forward.plan.names) - forward.plan.constants(implementation.name),
    }[mode]


def show(implementation: Implementation, forward: Forward, visitor: Visitor, forces: bool) -> None:
    """Run one pass and show every tap to a visitor, which may replace values if it `forces`; errors as of `observe`."""
    kind = Probe if forces else Watch
    _run(implementation, forward, kind(implementation.root, implementation.name, forward.plan, visitor))


def watch(implementation: Implementation, forward: Forward, visitor: Visitor) -> None:
    """Run one pass and show every tap to a visitor that leaves it as it is; the errors are those of `observe`."""
    show(implementation, forward, visitor, forces=False)


def _run(implementation: Implementation, forward: Forward, probe: Probe) -> None:
    try:
        with torch.no_grad(), probe:
            implementation.call(implementation.root, forward.inputs)
    except ParityError:
        raise
    # The implementation under test may fail in any way; that is a finding, not a crash of the harness.
    except Exception as error:
        raise IncompleteError(
            f"{implementation.name}, {forward.name}",
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}",
            "a pass that runs to its end",
            "run it without the harness and mend it",
        ) from error
