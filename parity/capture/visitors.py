"""What happens to a tensor when its tap is reached: it is recorded, and it may be replaced."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from parity.errors import IncompleteError

Recording = dict[str, Tensor]


class Visitor(Protocol):
    """Sees every tap of a pass once, in the order in which the implementation reaches them."""

    def visit(self, name: str, tensor: Tensor) -> Tensor | None:
        """Take the tensor; give another in its place, or None to leave it."""
        ...


@dataclass
class Recorder:
    """Keeps a copy of every tap by name; a tap that shows up twice in one pass is refused."""

    recording: Recording = field(default_factory=dict)

    def visit(self, name: str, tensor: Tensor) -> None:
        """Copy the tensor as it is now: the implementation may go on to change it in place."""
        if name in self.recording:
            raise IncompleteError(
                name,
                "seen twice in one pass",
                "once",
                "declare both calls, or give the passes different scopes",
            )
        self.recording[name] = tensor.detach().clone()


@dataclass(frozen=True)
class Forcing:
    """Which taps to replace, and by what: none (chained), block inputs (teacher-forced), all (isolated)."""

    names: frozenset[str]
    values: Mapping[str, Tensor]


@dataclass
class ForcingRecorder:
    """Records each tap as the implementation computed it, then replaces it by the given value."""

    recorder: Recorder
    forcing: Forcing

    def visit(self, name: str, tensor: Tensor) -> Tensor | None:
        """Record, then replace; IncompleteError where there is none, or one of another shape."""
        self.recorder.visit(name, tensor)
        if name not in self.forcing.names:
            return None
        value = self.forcing.values.get(name)
        if value is None:
            raise IncompleteError(name, "no value to force", "one for each forced tap", "capture the reference again")
        if value.shape != tensor.shape:
            raise IncompleteError(
                name,
                f"forced value of shape {tuple(value.shape)}",
                f"{tuple(tensor.shape)}",
                "compare runs of the same case",
            )
        # A copy, so that an implementation which works in place cannot change the reference. Upcast is exact;
        # a narrower dtype only ever receives values that came from it.
        return value.to(device=tensor.device, dtype=tensor.dtype, copy=True)


def forced(recorder: Recorder, forcing: Forcing | None) -> Visitor:
    """Give a visitor that records, and forces where there is something to force."""
    return recorder if forcing is None or not forcing.names else ForcingRecorder(recorder, forcing)
