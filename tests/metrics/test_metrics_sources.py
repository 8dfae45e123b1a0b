"""Reading the two sides: any layout, bounded memory, and refusal of what cannot be compared."""

import tracemalloc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import BadInputError, IncompleteError
from parity.metrics import CompareOptions, LiveTensor, compare
from parity.metrics.accumulator import Accumulator, Subject
from parity.metrics.exactness import Pair
from parity.metrics.summary import summarise


class Generated:
    """A tensor that exists only as it is read, and remembers how it was read."""

    dtype = torch.float32

    def __init__(self, shape, offset=0.0):
        self.shape, self.offset = shape, offset
        self.reads = []

    def read(self, start, stop):
        self.reads.append((start, stop))
        return torch.arange(start, stop).remainder_(1000).to(torch.float32).add_(self.offset)


class Truncated(Generated):
    def read(self, start, stop):
        return super().read(start, min(stop, 7))


class Mislabelled(Generated):
    def read(self, start, stop):
        return super().read(start, stop).to(torch.bfloat16)


class Folded(Generated):
    def read(self, start, stop):
        return super().read(start, stop).reshape(1, -1)


layouts = st.sampled_from(
    (
        lambda t: t,
        lambda t: t.transpose(0, 2),
        lambda t: t[:, ::2, 1:],
        lambda t: t[:, :1].expand(-1, 5, -1),
        lambda t: t.permute(1, 2, 0).flip(0),
        lambda t: t[1, 2, 3],
        lambda t: torch.view_as_complex(t[..., :2].contiguous()).conj().imag,
        lambda t: torch.nn.Parameter(t)[1:],
    )
)


@given(layouts, st.data())
def test_any_strides_are_read_in_row_major_order(layout, data):
    tensor = layout(torch.arange(4 * 6 * 8.0).reshape(4, 6, 8))
    flat = tensor.detach().resolve_neg().flatten()
    start = data.draw(st.integers(0, flat.numel()))
    stop = data.draw(st.integers(start, flat.numel()))
    piece = LiveTensor(tensor).read(start, stop)
    assert not piece.requires_grad
    assert piece.shape == (stop - start,)
    assert torch.equal(piece.resolve_neg(), flat[start:stop])


@given(layouts, st.integers(1, 30))
def test_strides_make_no_difference(layout, chunk):
    tensor = layout(torch.arange(4 * 6 * 8.0).reshape(4, 6, 8))
    plain = tensor.detach().resolve_neg().clone(memory_format=torch.contiguous_format)
    assert compare(tensor, plain, CompareOptions(chunk_elements=chunk)).identical


def test_each_element_is_read_once_and_memory_stays_bounded():
    shape, chunk = (3, 1_000_000), 2**15
    left, right = Generated(shape, offset=0.25), Generated(shape)
    tracemalloc.start()
    try:
        found = compare(left, right, CompareOptions(chunk_elements=chunk))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert left.reads == right.reads
    assert [start for start, _ in left.reads] == [0, *(stop for _, stop in left.reads[:-1])]
    assert left.reads[-1][1] == 3_000_000
    assert max(stop - start for start, stop in left.reads) == chunk
    # One float64 for each of a million columns; the rest is a constant, a tenth of one side in float64.
    assert peak < 1_000_000 * 8 + 3_000_000
    assert (found.max_abs, found.bias) == (0.25, 0.25)


@pytest.mark.parametrize("source", [Truncated, Mislabelled, Folded])
def test_a_source_that_gives_something_else_is_incomplete(source):
    for sides in ((source((10,)), Generated((10,))), (Generated((10,)), source((10,)))):
        with pytest.raises(IncompleteError, match=r"block\.3"):
            compare(*sides, CompareOptions(name="block.3"))


def test_unequal_shapes_are_refused_in_one_line():
    with pytest.raises(BadInputError) as refusal:
        compare(torch.ones(2, 3), torch.ones(3, 2), CompareOptions(name="block.3/attn"))
    text = str(refusal.value)
    assert "\n" not in text
    assert all(part in text for part in ("block.3/attn", "(2, 3)", "(3, 2)"))


@pytest.mark.parametrize("shapes", [((1, 3), (3,)), ((), (1,)), ((0,), (0, 1))])
def test_shapes_are_never_broadcast(shapes):
    with pytest.raises(BadInputError, match="shape"):
        compare(*(torch.ones(shape) for shape in shapes))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn, torch.uint64])
def test_a_dtype_without_exact_float64_is_refused(dtype):
    odd = torch.zeros(2).to(dtype)
    for sides in ((odd, torch.zeros(2)), (torch.zeros(2), odd)):
        with pytest.raises(BadInputError, match=str(dtype)):
            compare(*sides)


def test_an_int64_beyond_the_exact_floats_is_refused_against_a_float():
    for sides in ((torch.tensor([2**53 + 1]), torch.ones(1)), (torch.ones(1), torch.tensor([-(2**53) - 1]))):
        with pytest.raises(BadInputError, match="2\\*\\*53"):
            compare(*sides)
    assert compare(torch.tensor([2**53]), torch.tensor([2.0**53])).max_abs == 0.0


@pytest.mark.parametrize("tensor", [torch.ones(2, device="meta"), torch.eye(2).to_sparse()])
def test_a_tensor_without_dense_data_is_refused(tensor):
    with pytest.raises(BadInputError, match="dense"):
        compare(tensor, torch.ones(tensor.shape))


@pytest.mark.parametrize(
    "choice",
    [
        {"chunk_elements": 0},
        {"chunk_elements": 2**31 + 1},
        {"worst_count": -1},
        {"close_rtol": -1.0},
        {"close_atol": float("nan")},
        {"close_rtol": float("inf")},
    ],
)
def test_an_option_out_of_range_is_refused(choice):
    with pytest.raises(BadInputError, match=next(iter(choice))):
        CompareOptions(**choice)


def test_given_tolerances_replace_the_table_one_at_a_time():
    candidate, reference = torch.tensor([1.1, 1e-6]), torch.tensor([1.0, 0.0])
    assert compare(candidate, reference).close_fraction == 0.5
    assert compare(candidate, reference, CompareOptions(close_rtol=0.2)).close_fraction == 1.0
    assert compare(candidate, reference, CompareOptions(close_rtol=0.2, close_atol=0.0)).close_fraction == 0.5


def test_the_relative_tolerance_is_of_the_reference():
    options = CompareOptions(close_rtol=0.095, close_atol=0.0)
    assert compare(torch.tensor([1.1]), torch.tensor([1.0]), options).close_fraction == 0.0
    assert compare(torch.tensor([1.0]), torch.tensor([1.1]), options).close_fraction == 1.0


def test_a_comparison_that_missed_elements_has_no_record():
    found = Accumulator(Subject((5,), torch.float32, torch.float32), CompareOptions())
    found.add(0, Pair(torch.ones(4), torch.ones(4)))
    with pytest.raises(IncompleteError, match="all 5"):
        summarise(found)


def test_parts_of_two_comparisons_are_not_merged():
    parts = [Accumulator(Subject((n,), torch.float32, torch.float32), CompareOptions()) for n in (4, 5)]
    with pytest.raises(IncompleteError, match="one comparison"):
        parts[0].merge(parts[1])
