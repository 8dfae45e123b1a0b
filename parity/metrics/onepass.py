"""One pass over two tensors."""

import math
from concurrent.futures import ThreadPoolExecutor

import torch

from parity.errors import BadInputError
from parity.metrics.accumulator import Accumulator
from parity.metrics.exactness import SUPPORTED, Pair
from parity.metrics.found import Subject
from parity.metrics.options import CompareOptions
from parity.metrics.record import TensorComparison
from parity.metrics.sources import TensorSource, as_source, read_checked
from parity.metrics.summary import summarise

_DEFAULT_OPTIONS = CompareOptions()


def compare(
    candidate: TensorSource | torch.Tensor,
    reference: TensorSource | torch.Tensor,
    options: CompareOptions = _DEFAULT_OPTIONS,
) -> TensorComparison:
    """How a candidate tensor differs from a reference of the same shape, element by element in float64.

    Each element is read once. Memory is two reads of `options.chunk_elements`, and a constant, for each thread and
    two more, whatever the size. What lies on a CUDA device is measured there. The dtypes may differ: no side is
    rounded to the other's, except for the distance in representable steps. Raises `BadInputError` for unequal
    shapes, a dtype other than the floats of 16 to 64 bits, signed whole numbers, uint8 and bool, or an int64 beyond
    2**53 against a float; `IncompleteError` for a source that gives less than it promises.
    """
    left, right = as_source(candidate), as_source(reference)
    subject = _subject(left, right, options.name)
    found = Accumulator(subject, options)
    elements = math.prod(subject.shape)
    pieces = (
        (start, _read(left, right, start, min(start + options.chunk_elements, elements), options))
        for start in range(0, elements, options.chunk_elements)
    )
    threads = min(options.threads or torch.get_num_threads(), -(-elements // options.chunk_elements))
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            found.add_all(pieces, pool, threads)
    else:
        for start, pair in pieces:
            found.add(start, pair)
    return summarise(found)


def _read(left: TensorSource, right: TensorSource, start: int, stop: int, options: CompareOptions) -> Pair:
    own = read_checked(left, start, stop, f"{options.name}: candidate")
    other = read_checked(right, start, stop, f"{options.name}: reference")
    # What lies on a device is compared there: only a side that is in the host's memory travels.
    device = other.device if own.device.type == "cpu" else own.device
    return Pair(own.to(device), other.to(device))


def _subject(left: TensorSource, right: TensorSource, where: str) -> Subject:
    own, other = tuple(left.shape), tuple(right.shape)
    if own != other:
        raise BadInputError(where, f"candidate shape {own}", f"the reference's {other}", "compare equal shapes")
    for side, source in (("candidate", left), ("reference", right)):
        if source.dtype not in SUPPORTED:
            known = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in SUPPORTED))
            raise BadInputError(where, f"{side} of {source.dtype}", f"one of {known}", "convert it exactly first")
    return Subject(own, left.dtype, right.dtype)
