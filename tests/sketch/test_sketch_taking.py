"""Taking a sketch of a pass: each tap is read once, what it shows again is not, and equal tensors share a row."""

import weakref

import pytest
import torch
from sketch_cases import RECIPE, row, sketch, tensors
from torch import nn

from parity.errors import BadInputError, IncompleteError
from parity.run.forward import Forward, Implementation
from parity.sketch.reads import PlainReads, reads_for
from parity.sketch.sketch import Book
from parity.sketch.take import SketchVisitor, take
from parity.taps import TapPlan

PASS = Forward("toy", (), TapPlan(()))


def visitor(*names, reads_of=reads_for):
    looking = SketchVisitor(RECIPE, frozenset(names), reads_of)
    looking.begin(PASS)
    return looking


def ended(looking, again=None):
    looking.end()
    looking.finish(again)


def test_a_tensor_that_is_shown_again_is_read_once():
    looking, tensor = visitor("a", "b", "c"), torch.randn(9, 64)
    looking.visit("a", tensor)
    looking.visit("b", tensor)
    looking.visit("c", tensor[:])
    ended(looking)
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
    ended(looking)
    assert (looking.reads, looking.book.taps) == (2, {"a": 0, "b": 1})


def test_a_square_and_its_transpose_are_two_tensors():
    looking, tensor = visitor("a", "b"), torch.randn(9, 9)
    looking.visit("a", tensor)
    looking.visit("b", tensor.t())
    ended(looking)
    assert looking.book.taps == {"a": 0, "b": 1}


def test_a_tensor_that_was_written_to_meanwhile_is_read_again():
    looking, tensor = visitor("a", "b", "c"), torch.zeros(9, 64)
    looking.visit("a", tensor)
    tensor[0, 0] = 1
    looking.visit("b", tensor)
    tensor.view(-1)[1] = 1
    looking.visit("c", tensor)
    ended(looking)
    assert looking.reads == 3
    assert len(looking.book.rows) == 3


def test_memory_is_not_reused_while_it_is_remembered():
    """The caching allocator would give the next tensor the memory of one that nobody holds."""
    looking = visitor("a", "b")
    for name, value in (("a", 1.0), ("b", 2.0)):
        looking.visit(name, torch.full((1000,), value))
    ended(looking)
    assert [float(looking.book.rows[n].norm) for n in (0, 1)] == pytest.approx([1000**0.5, 2 * 1000**0.5])


def test_nothing_is_held_between_passes():
    looking, tensor = visitor("a", "b"), torch.zeros(3)
    looking.visit("a", tensor)
    held = weakref.ref(tensor)
    del tensor
    assert held() is not None
    looking.end()
    assert held() is None
    looking.begin(PASS)
    looking.visit("b", torch.ones(3))
    ended(looking)
    assert (looking.reads, looking.book.taps) == (2, {"a": 0, "b": 1})


def test_tensors_whose_versions_are_not_counted_are_read_each_time():
    looking = visitor("a", "b")
    with torch.inference_mode():
        ones = torch.ones(3)
        looking.visit("a", ones)
        looking.visit("b", ones)
    ended(looking)
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


class Careless(PlainReads):
    """Reads in float32, and one of its tensors wrongly, which it says afterwards."""

    sums = torch.float32

    def fetch(self):
        read = super().fetch()
        self.again = frozenset({1})
        read[1] = read[1]._replace(checks=read[1].checks + 1)
        return read


def test_what_was_read_wrongly_is_read_again_and_the_sums_are_told():
    tensors = {"a": torch.ones(3), "b": torch.full((3,), 2.0), "c": torch.full((3,), 3.0)}
    looking = visitor(*tensors, reads_of=lambda _, recipe: Careless(recipe))
    for name, tensor in tensors.items():
        looking.visit(name, tensor)
    asked = []

    def again(forward, other):
        asked.append((forward, other.names))
        other.begin(forward)
        other.visit("a", tensors["a"])
        other.visit("b", tensors["b"])
        other.end()

    ended(looking, again)
    assert asked == [(PASS, {"b"})]
    assert looking.sums == torch.float32
    assert list(looking.book.taps) == ["a", "b", "c"]
    for name, tensor in tensors.items():
        assert looking.book.rows[looking.book.taps[name]].digest == row(tensor).digest


def test_a_case_without_a_tap_is_incomplete():
    with pytest.raises(IncompleteError, match="no tap"):
        take(Implementation("own", nn.Identity(), lambda m, x: m(x)), [], visitor("a"), lambda *_: None)
