"""What the phases of generation cost: seconds of compiling, loading and executing, and their peak of memory."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch

from ltx_port.pipeline.peak import Peak, peak_of


@dataclass(frozen=True)
class PhaseRecord:
    """The cost of one phase, over all the times that it was entered.

    `compile_s` is None where nothing was compiled. `peak_bytes` is the largest of its peaks: on a CUDA device what
    torch's allocator had handed out at once (without its rounding to blocks and the driver's own memory), on a CPU the
    resident set of the whole process (Python, libraries, weights, and of a mapped file the pages in memory).
    """

    name: str
    compile_s: float | None
    load_s: float
    execute_s: float
    peak_bytes: int


class Phase:
    """The clocks of a phase that is going on; each may run several times, one at a time."""

    def __init__(self, device: torch.device):
        self.seconds: dict[str, float] = {}
        self._device = device
        self._timing: str | None = None

    def loading(self) -> AbstractContextManager[None]:
        """Count what runs inside the block as loading: files, weights, moves to the device."""
        return self._timed("load")

    def executing(self) -> AbstractContextManager[None]:
        """Count what runs inside the block as executing."""
        return self._timed("execute")

    def compiling(self) -> AbstractContextManager[None]:
        """Count what runs inside the block as compiling."""
        return self._timed("compile")

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        assert self._timing is None, f"{kind} is timed inside {self._timing}: a second would count twice"
        self._timing = kind
        self._finish_launched()
        start = time.perf_counter()
        try:
            yield
            # What was launched inside the block is part of it; after an error nothing more is waited for.
            self._finish_launched()
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - start
            self._timing = None

    def _finish_launched(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class Meter:
    """Measures phases on one device: `with meter.phase(name) as phase: with phase.loading(): ...`.

    A phase may be entered again: its times add up, and its peak is the largest. Phases do not nest, since each begins
    its peak anew. One that fails is recorded as far as it went.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._peak: Peak = peak_of(device)
        self._rows: dict[str, PhaseRecord] = {}
        self._open: str | None = None

    @property
    def rows(self) -> tuple[PhaseRecord, ...]:
        """The phases so far, in the order in which they were first entered."""
        return tuple(self._rows.values())

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Measure what runs inside the block."""
        assert self._open is None, f"phase {name!r} begins inside {self._open!r}: phases do not nest"
        self._open = name
        # In its place from the start: a phase that never ends is a row all the same.
        before = self._rows.setdefault(name, PhaseRecord(name, None, 0.0, 0.0, 0))
        phase = Phase(self._device)
        self._peak.begin()
        try:
            yield phase
        finally:
            self._rows[name] = _added(before, phase.seconds, self._peak.end())
            self._open = None


def _added(before: PhaseRecord, seconds: dict[str, float], peak_bytes: int) -> PhaseRecord:
    compiling = seconds.get("compile")
    return PhaseRecord(
        before.name,
        before.compile_s if compiling is None else (before.compile_s or 0.0) + compiling,
        before.load_s + seconds.get("load", 0.0),
        before.execute_s + seconds.get("execute", 0.0),
        max(before.peak_bytes, peak_bytes),
    )
