"""Taking a sketch of a pass: each tap is read once, what it shows again is not, and equal tensors share a row."""

import pytest
import torch
from sketch_cases import RECIPE, row, sketch, tensors
from torch import nn

from parity.errors import BadInputError, IncompleteError
from parity.run.forward import Implementation
from parity.sketch.plain import read_plain
from parity.sketch.sketch import Book
from parity.sketch.take import SketchVisitor, take


def visitor(*names, reader=None):
    return SketchVisitor(RECIPE, frozenset(names), reader)


def test_a_tensor_that_is_shown_again_is_read_once():
    looking, tensor = visitor("a", "b", "c"), torch.randn(9, 64)
    looking.visit("a", tensor)
    looking.visit("b", tensor)
    looking.visit("c", tensor[:])
    looking.finish()
    assert looking.reads == 1
    assert looking.book.taps == {"a": 0, "b": 0, "c": 0}


@pytest.mark.parametrize(
    "other",
    [lambda t: t[:, :63], lambda t: t.t(), lambda t: t.view(64, 9), lambda t: t.view(torch.int32), lambda t: t[1:]],
)
def test_another_view_of_the_same_memory_is_another_tensor(other):
    looking, tensor = visitor("a", "b"), torch.randn(9, 64)
    looking.visit("a", tensor)
    looking.visit("b", other(tensor))
    looking.finish()
    assert (looking.reads, looking.book.taps) == (2, {"a": 0, "b": 1})


def test_a_square_and_its_transpose_are_two_tensors():
    looking, tensor = visitor("a", "b"), torch.randn(9, 9)
    looking.visit("a", tensor)
    looking.visit("b", tensor.t())
    looking.finish()
    assert looking.book.taps == {"a": 0, "b": 1}


def test_a_tensor_that_was_written_to_meanwhile_is_read_again():
    looking, tensor = visitor("a", "b", "c"), torch.zeros(9, 64)
    looking.visit("a", tensor)
    tensor[0, 0] = 1
    looking.visit("b", tensor)
    tensor.view(-1)[1] = 1
    looking.visit("c", tensor)
    looking.finish()
    assert looking.reads == 3
    assert len(looking.book.rows) == 3


def test_memory_is_not_reused_while_it_is_remembered():
    """The caching allocator would give the next tensor the memory of one that nobody holds."""
    looking = visitor("a", "b")
    for name, value in (("a", 1.0), ("b", 2.0)):
        looking.visit(name, torch.full((1000,), value))
    looking.finish()
    assert [float(looking.book.rows[n].norm) for n in (0, 1)] == pytest.approx([1000**0.5, 2 * 1000**0.5])


def test_nothing_is_held_between_passes():
    looking, tensor = visitor("a", "b"), torch.zeros(3)
    looking.visit("a", tensor)
    looking.finish()
    with torch.inference_mode():
        # No version is counted here: two looks are two reads.
        ones = torch.ones(3)
        looking.visit("b", ones)
    looking.finish()
    assert (looking.reads, len(looking._last), len(looking._readings)) == (2, 0, 0)


def test_tensors_whose_versions_are_not_counted_are_read_each_time():
    looking = visitor("a", "b")
    with torch.inference_mode():
        ones = torch.ones(3)
        looking.visit("a", ones)
        looking.visit("b", ones)
    looking.finish()
    assert (looking.reads, looking.book.taps) == (2, {"a": 0, "b": 0})


def test_equal_tensors_share_a_row_and_a_shape_or_a_dtype_apart_do_not():
    found = sketch({"a": torch.zeros(6), "b": torch.zeros(6), "c": torch.zeros(2, 3), "d": torch.zeros(6).half()})
    assert found.taps == {"a": 0, "b": 0, "c": 1, "d": 2}


def test_a_tap_that_shows_twice_is_refused():
    book = Book()
    book.add([("a", row(torch.zeros(3)))])
    with pytest.raises(IncompleteError, match="a: seen twice"):
        book.add([("a", row(torch.zeros(3)))])


def test_a_tap_without_values_is_refused_by_name():
    with pytest.raises(BadInputError, match=r"a.b: a tensor of torch.float32, .* on meta"):
        visitor("a.b").visit("a.b", torch.empty(3, device="meta"))
    with pytest.raises(BadInputError, match=r"a.b: a tensor of torch.complex64"):
        visitor("a.b").visit("a.b", torch.zeros(3, dtype=torch.complex64))


def test_rows_of_one_batch_are_those_of_one_tensor_each():
    for name, tensor in tensors().items():
        together, alone = sketch(tensors()).row(name), row(tensor)
        assert together.digest == alone.digest, name
        assert (together.buckets == alone.buckets).all(), name
        assert (together.elements == alone.elements).all(), name
        assert together.values.dtype == tensor.dtype, name


def test_float32_sums_are_told_of():
    looking = visitor("a", "b", reader=lambda t, r: read_plain(t, r)._replace(buckets=read_plain(t, r).buckets.float()))
    looking.visit("a", torch.ones(3))
    assert looking.sums == torch.float32


def test_a_case_without_a_tap_is_incomplete():
    with pytest.raises(IncompleteError, match="no tap"):
        take(Implementation("own", nn.Identity(), lambda m, x: m(x)), [], visitor("a"), lambda *_: None)
