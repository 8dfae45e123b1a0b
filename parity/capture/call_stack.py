"""Which module is running: functions are told apart by the module that calls them and by their order there."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Frame:
    """One running call of a module, with how often it has called each watched function."""

    path: str
    calls: Counter[str] = field(default_factory=Counter)


class CallStack:
    """The modules that are running now, innermost last."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []

    def enter(self, path: str) -> None:
        """A module starts."""
        self._frames.append(Frame(path))

    def leave(self, path: str) -> Frame:
        """A module ends; frames that an exception left above it go with it."""
        while (frame := self._frames.pop()).path != path:
            pass
        return frame

    def count(self, function: str) -> tuple[str, int] | None:
        """Give (innermost module, how many calls of `function` it made before this one), None outside modules."""
        if not self._frames:
            return None
        frame = self._frames[-1]
        index = frame.calls[function]
        frame.calls[function] += 1
        return frame.path, index
