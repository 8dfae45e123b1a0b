"""What compares two tensors: ours, and what else there is."""

import contextlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from parity.metrics import CompareOptions, compare

Compare = Callable[[Tensor, Tensor], object]


@dataclass(frozen=True)
class Contender:
    """One way of comparing, what it finds, and why it cannot run here (then `compare` is None)."""

    name: str
    finds: str
    compare: Compare | None
    threads: int = 1
    missing: str = ""


def contenders() -> list[Contender]:
    """Give all, ours first."""
    every = len(os.sched_getaffinity(0))
    ours = "all metrics of the report"
    return [
        Contender("ours", ours, partial(_ours, 1, None)),
        Contender("ours, all threads", ours, partial(_ours, every, None), every),
        Contender("ours, torch engine", ours, partial(_ours, 1, "torch")),
        Contender("plain torch", "max, mean, relative L2, cosine, log histogram", _plain_torch),
        Contender("torch.testing.assert_close", "pass or fail", _assert_close),
        Contender("numpy.allclose", "pass or fail", _allclose),
        _optional("Polygraphy", "max, mean, median, quantiles of errors", _polygraphy),
        _optional("msprobe", "cosine, distance, max errors, two error ratios", _msprobe),
    ]


def _optional(name: str, finds: str, load: Callable[[], Compare]) -> Contender:
    try:
        return Contender(name, finds, load())
    except ImportError as error:
        return Contender(name, finds, None, missing=str(error))


def _ours(threads: int, engine: str | None, candidate: Tensor, reference: Tensor) -> object:
    return compare(candidate, reference, CompareOptions(threads=threads, engine=engine))


def _plain_torch(candidate: Tensor, reference: Tensor) -> object:
    left, right = candidate.double().flatten(), reference.double().flatten()
    difference = left - right
    error = difference.abs()
    return {
        "max": error.max().item(),
        "mean": error.mean().item(),
        "relative_l2": (difference.norm() / right.norm()).item(),
        "cosine": torch.nn.functional.cosine_similarity(left, right, dim=0).item(),
        "histogram": torch.histc(error.clamp_min(1e-300).log2(), bins=4096, min=-40, max=20),
    }


def _assert_close(candidate: Tensor, reference: Tensor) -> object:
    with contextlib.suppress(AssertionError):
        torch.testing.assert_close(candidate, reference)
    return None


def _as_numpy(tensor: Tensor) -> Any:
    # numpy has no bfloat16: whoever uses it pays for the conversion.
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _allclose(candidate: Tensor, reference: Tensor) -> object:
    return np.allclose(_as_numpy(candidate), _as_numpy(reference))


def _polygraphy() -> Compare:
    from polygraphy.comparator import IterationResult, SimpleCompareFunc
    from polygraphy.logger import G_LOGGER

    G_LOGGER.module_severity = G_LOGGER.CRITICAL
    function = SimpleCompareFunc()

    def run(candidate: Tensor, reference: Tensor) -> object:
        sides = [IterationResult({"x": _as_numpy(side)}) for side in (candidate, reference)]
        return function(*sides)

    return run


def _msprobe() -> Compare:
    # It says what it loads on stdout, where the results go.
    with contextlib.redirect_stdout(io.StringIO()):
        from msprobe.core.compare.npy_compare import CompareResult, ValidateTensor, compare_ops_apply

    def run(candidate: Tensor, reference: Tensor) -> object:
        with contextlib.redirect_stdout(io.StringIO()):
            found = ValidateTensor().check_tensor(CompareResult(_as_numpy(candidate), _as_numpy(reference)))
            return compare_ops_apply(found.n_value, found.b_value, found.error_flag, found.err_msg)

    return run
