"""The most memory in use between two moments: of a CUDA device, or of this process."""

import threading
from pathlib import Path
from typing import Protocol, runtime_checkable

import psutil
import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_SAMPLED_EVERY_S = 0.005


@runtime_checkable
class Peak(Protocol):
    """A peak that is measured from `begin` to `end`, as often as one likes."""

    def begin(self) -> None:
        """Forget all earlier peaks."""
        ...

    def end(self) -> int:
        """Give the peak since `begin` in bytes."""
        ...


class CudaPeak:
    """What torch's allocator had handed out at once."""

    def __init__(self, device: torch.device):
        self._device = device

    def begin(self) -> None:
        """Begin at what is handed out now."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def end(self) -> int:
        """Give the peak."""
        return torch.cuda.max_memory_allocated(self._device)


class KernelPeak:
    """The process's resident set, as Linux keeps its peak: exact, and at no cost."""

    def begin(self) -> None:
        """Have Linux begin at what is resident now; OSError where it does not let us."""
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")

    def end(self) -> int:
        """Give the peak."""
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


class SampledPeak:
    """The process's resident set, looked at every 5 ms: misses what comes and goes between two looks."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._peak = 0

    def begin(self) -> None:
        """Begin to look."""
        self._stop.clear()
        self._peak = 0
        self._look()
        self._thread = threading.Thread(target=self._watch, name="peak of memory", daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Stop looking and give the peak."""
        assert self._thread is not None, "never begun"
        self._stop.set()
        self._thread.join()
        self._look()
        return self._peak

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLED_EVERY_S):
            self._look()

    def _look(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)


def peak_of(device: torch.device) -> Peak:
    """Give the way to measure a device's peak: of a CUDA device its own, else the process's resident set."""
    if device.type == "cuda":
        return CudaPeak(device)
    kernel = KernelPeak()
    try:
        kernel.begin()
        kernel.end()
    except (OSError, StopIteration):
        # Another system, or one that keeps /proc from us.
        return SampledPeak()
    return kernel
