"""Ports: the grammar, and reading and replacing what a selector points at."""

import copy
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType

import pytest
from engine_cases import one_line
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import BadInputError
from parity.taps import Port
from parity.taps.port import Side, select, substitute

Pair = namedtuple("Pair", ["left", "right"])


@dataclass(frozen=True)
class Record:
    left: object
    right: object


class Output(OrderedDict):
    """A mapping that is read by attribute, as output records of other libraries are."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


WORD = st.from_regex(r"[A-Za-z_0-9]{1,6}", fullmatch=True)
PATHS = st.lists(WORD, max_size=3).map(".".join)
SELECT = st.lists(WORD, max_size=3).map(tuple)


@st.composite
def ports(draw):
    side = draw(st.sampled_from(Side))
    chosen = draw(SELECT if side is Side.OUT else SELECT.filter(bool))
    function = draw(st.none() | WORD) if side is not Side.ATTR else None
    return Port(draw(PATHS), side, chosen, function, draw(PATHS.filter(bool)) if function else None)


@given(ports())
def test_every_port_reads_back_as_it_was_written(port):
    assert Port.parse(str(port)) == port


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a>", "a>side", "a>out.", "a>out..x", "a>>out", "a:b>out", "a > out", "a>out.x y"),
        *("a::f>out", "a::f@>out", "a::@c>out", "a::f@c>attr.x", "a::f@c>in"),
        *("a>out\n", "a\nb>out", "a>in", "a>attr"),
    ],
)
def test_what_is_not_a_port_is_refused_in_one_line(text):
    with pytest.raises(BadInputError) as caught:
        Port.parse(text)
    assert one_line(caught.value, "port")


@given(st.text(max_size=20))
def test_any_text_is_a_port_or_a_refusal(text):
    try:
        found = str(Port.parse(text))
    except BadInputError as error:
        one_line(error, "port")
    else:
        assert found == text


LEAVES = st.integers(0, 9)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.lists(inner, min_size=1, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["a", "b", "left"]), inner, min_size=1),
        st.dictionaries(st.sampled_from(["a", "b", "left"]), inner, min_size=1).map(Output),
        st.tuples(inner, inner).map(lambda pair: Pair(*pair)),
        st.tuples(inner, inner).map(lambda pair: Record(*pair)),
    ),
    max_leaves=8,
)


@st.composite
def trees_and_paths(draw):
    """Draw a tree and a selector of one of its leaves, by name or by number where both are possible."""
    tree = value = draw(TREES)
    path = []
    while not isinstance(value, int):
        if isinstance(value, dict):
            key = draw(st.sampled_from(list(value)))
            step, inner = draw(st.sampled_from([key, str(list(value).index(key))])), value[key]
        elif isinstance(value, Record | Pair):
            step = draw(st.sampled_from(["left", "right"]))
            inner = getattr(value, step)
            if isinstance(value, Pair) and draw(st.booleans()):
                step = str(value._fields.index(step))
        else:
            index = draw(st.integers(0, len(value) - 1))
            step, inner = str(index), value[index]
        path.append(step)
        value = inner
    return tree, tuple(path)


@given(trees_and_paths())
def test_what_was_substituted_is_selected_and_the_original_stays(drawn):
    tree, path = drawn
    before = copy.deepcopy(tree)
    new = object()
    changed = substitute(tree, path, new, "here")
    assert select(changed, path, "here") is new
    assert tree == before
    assert type(changed) is (type(tree) if path else object)


@given(trees_and_paths())
def test_putting_back_what_was_there_changes_nothing(drawn):
    tree, path = drawn
    assert substitute(tree, path, select(tree, path, "here"), "here") == tree


def test_a_number_replaces_the_entry_that_it_counts():
    assert substitute({"x": 1, "y": 2}, ("0",), 7, "here") == {"x": 7, "y": 2}


def test_a_name_made_of_digits_comes_before_counting():
    assert select({"1": "named", "x": "counted"}, ("1",), "here") == "named"


def test_a_mapping_that_cannot_change_is_replaced_by_one_that_holds_the_same():
    assert substitute(MappingProxyType({"x": 1, "y": 2}), ("y",), 7, "here") == {"x": 1, "y": 7}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        *(({"x": 1}, ("y",)), ({"x": 1}, ("3",)), ({"x": (1,)}, ("x", "4")), ((1, 2), ("2",)), ([1], ("name",))),
        *((Pair(1, 2), ("middle",)), (Record(1, 2), ("middle",)), (Record(1, 2), ("0",)), (3, ("0",)), (None, ("x",))),
    ],
)
@pytest.mark.parametrize("act", [lambda v, p: select(v, p, "tap q"), lambda v, p: substitute(v, p, 0, "tap q")])
def test_a_lost_selector_gives_one_clear_line(act, value, path):
    with pytest.raises(BadInputError) as caught:
        act(value, path)
    assert one_line(caught.value, "tap q", repr(path[-1]))


def test_a_property_can_be_read_but_not_replaced():
    class WithSum(Pair):
        @property
        def total(self):
            return self.left + self.right

    assert select(WithSum(1, 2), ("total",), "here") == 3
    with pytest.raises(BadInputError) as caught:
        substitute(WithSum(1, 2), ("total",), 0, "here")
    assert one_line(caught.value, "'total'")
