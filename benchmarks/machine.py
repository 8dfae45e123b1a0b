"""What the measurements ran on, with a yardstick taken in the same run."""

import os
import platform
import time
from importlib import metadata
from pathlib import Path

import torch

from parity.metrics import engine_name

_READ_BYTES = 2**30


def describe() -> dict[str, str]:
    """Say which processor, and which versions; no name of a machine."""
    return {
        "processor": _processor(),
        "threads": f"{len(os.sched_getaffinity(0))} usable",
        "load": f"{os.getloadavg()[0]:.1f} processes running on average over the minute before",
        "engine": engine_name(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numpy")},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    vectors = torch.backends.cpu.get_cpu_capability()
    return f"{named[0] if named else platform.machine()}, {vectors}"


def plain_read(threads: int, repeats: int = 5) -> float:
    """Bytes a second at which torch sums a tensor of 1 GiB in float32: about the quickest way to read it."""
    tensor, before = torch.ones(_READ_BYTES // 4), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            tensor.sum()
            taken.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return _READ_BYTES / min(taken)
