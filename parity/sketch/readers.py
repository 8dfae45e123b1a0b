"""The quickest reader for a device."""

from functools import cache

import torch

from parity.sketch.plain import read_plain
from parity.sketch.read import Reader


def reader_for(device: torch.device) -> Reader:
    """Give the quickest reader for a device: one kernel for each tensor where Triton is installed."""
    return _fused() if device.type == "cuda" else read_plain


@cache
def _fused() -> Reader:
    try:
        # Imported here: it needs Triton, which comes with the CUDA builds of torch alone.
        from parity.sketch.fused import read_fused  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return read_plain
    return read_fused  # type: ignore[no-any-return,unused-ignore]
