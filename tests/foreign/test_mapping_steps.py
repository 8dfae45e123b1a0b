"""Each step of a mapping: what it does to the elements, its inverse, and what it refuses."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from foreign_cases import numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from parity.errors import IncompleteError
from parity.foreign.grammar import read_steps
from parity.foreign.steps import run_steps

Plain = Mapping[str, Any]


def run(tensor: Tensor | Sequence[Tensor], *steps: Plain) -> Tensor:
    tensors = [tensor] if isinstance(tensor, Tensor) else list(tensor)
    return run_steps(read_steps([dict(step) for step in steps], "map"), tensors, "map")


def same(left: Tensor, right: Tensor) -> bool:
    return left.dtype == right.dtype and torch.equal(left, right)


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@st.composite
def moves_and_back(draw: st.DrawFn) -> tuple[Tensor, Plain, Plain]:
    """A tensor, a step that moves its elements, and the step that moves them back."""
    shape = draw(shapes)
    axis = draw(st.integers(0, len(shape) - 1))
    kind = draw(st.sampled_from(("permute", "transpose", "reshape", "unsqueeze", "reorder", "rope")))
    if kind == "permute":
        order = draw(st.permutations(range(len(shape))))
        return numbers(*shape), {"permute": order}, {"permute": [order.index(i) for i in range(len(order))]}
    if kind == "transpose":
        other = draw(st.integers(0, len(shape) - 1).filter(lambda i: i != axis)) if len(shape) > 1 else None
        if other is not None:
            return numbers(*shape), {"transpose": [axis, other]}, {"transpose": [axis - len(shape), other]}
    if kind == "reorder":
        order = draw(st.permutations(range(draw(st.integers(1, 4)))))
        shape[axis] *= len(order)
        back = [order.index(i) for i in range(len(order))]
        return numbers(*shape), {"reorder": order, "axis": axis}, {"reorder": back, "axis": axis - len(shape)}
    if kind == "rope":
        heads = draw(st.integers(1, 3))
        shape[axis] *= 2 * heads
        ways = ("interleaved-to-split", "split-to-interleaved")
        there, back_ = draw(st.permutations(ways))
        return (
            numbers(*shape),
            {"rope": there, "heads": heads, "axis": axis},
            {"rope": back_, "heads": heads, "axis": axis},
        )
    if kind == "unsqueeze":
        return numbers(*shape), {"unsqueeze": axis}, {"squeeze": axis}
    return numbers(*shape), {"reshape": [-1]}, {"reshape": shape}


@settings(deadline=None)
@given(moves_and_back())
def test_a_step_and_its_inverse_give_the_tensor_back(case: tuple[Tensor, Plain, Plain]) -> None:
    tensor, there, back = case
    moved = run(tensor, there)
    assert sorted(moved.flatten().tolist()) == sorted(tensor.flatten().tolist())
    assert same(run(tensor, there, back), tensor)


@settings(deadline=None)
@given(shapes, st.data())
def test_what_is_split_joins_again(shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    shape[axis] = sum(sizes)
    whole = numbers(*shape)
    parts = [run(whole, {"split": sizes, "take": i, "axis": axis}) for i in range(len(sizes))]
    assert [part.shape[axis] for part in parts] == sizes
    assert same(run(parts, {"concat": axis}), whole)


@settings(deadline=None)
@given(shapes, st.data())
def test_what_is_stacked_comes_apart_again(shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, len(shape)))
    count = data.draw(st.integers(2, 4))
    parts = [numbers(*shape, first=100 * i) for i in range(count)]
    whole = run(parts, {"stack": axis})
    for i, part in enumerate(parts):
        assert same(run(whole, {"slice": [i, i + 1], "axis": axis}, {"squeeze": axis}), part)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 5))
def test_strided_slices_read_each_element_once(size: int, stride: int) -> None:
    line = numbers(size)
    read = [run(line, {"slice": [i, size], "stride": stride}) for i in range(min(stride, size))]
    assert sorted(torch.cat(read).tolist()) == line.tolist()


def test_rope_moves_pairs_within_each_head() -> None:
    interleaved = torch.tensor([["x0", "y0", "x1", "y1"].index(n) for n in ["x0", "y0", "x1", "y1"]])
    two_heads = torch.cat([interleaved, interleaved + 10])
    split = run(two_heads, {"rope": "interleaved-to-split", "heads": 2})
    assert split.tolist() == [0, 2, 1, 3, 10, 12, 11, 13]
    assert run(two_heads, {"rope": "interleaved-to-split", "heads": 1}).tolist() == [0, 2, 10, 12, 1, 3, 11, 13]


def test_a_rope_of_the_mapping_makes_rotary_embeddings_agree() -> None:
    """The order matters to what is computed: rotate neighbours, turn, and have the rotation of halves."""
    x, angle = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), torch.rand(3, 4)
    even, odd = x[:, 0::2], x[:, 1::2]
    neighbours = torch.stack((even * angle.cos() - odd * angle.sin(), odd * angle.cos() + even * angle.sin()), -1)
    halves = run(x, {"rope": "interleaved-to-split", "heads": 1})
    first, second = halves.chunk(2, -1)
    expected = torch.cat((first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()), -1)
    assert same(run(neighbours.flatten(1), {"rope": "interleaved-to-split", "heads": 1}), expected)


def test_the_third_row_of_scale_and_shift_can_become_the_first() -> None:
    table = numbers(3, 4)
    assert same(run(table, {"reorder": [2, 0, 1], "axis": 0}), table[[2, 0, 1]])
    assert run(table.flatten(), {"reorder": [1, 0]}).tolist() == [*range(6, 12), *range(6)]


def test_query_key_and_value_come_out_of_a_fused_projection_head_by_head() -> None:
    """What Megatron and its like write: [heads, 3, width], woven."""
    three = numbers(3, 2, 4)
    woven = three.transpose(0, 1).reshape(24)
    for part in range(3):
        taken = run(woven, {"reshape": [2, 3, 4]}, {"slice": [part, part + 1], "axis": 1}, {"reshape": [8]})
        assert same(taken, three[part].flatten())


EXACT = [
    (torch.float32, torch.float64),
    (torch.bfloat16, torch.float32),
    (torch.float16, torch.float32),
    (torch.float64, torch.bfloat16),
    (torch.int32, torch.int64),
    (torch.bool, torch.uint8),
    (torch.int64, torch.float32),
]


@pytest.mark.parametrize(("own", "wanted"), EXACT)
def test_a_cast_that_keeps_every_number_is_exact(own: torch.dtype, wanted: torch.dtype) -> None:
    tensor = numbers(2, dtype=own)
    name = str(wanted).removeprefix("torch.")
    assert same(run(tensor, {"cast": name}), tensor.to(wanted))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (torch.tensor([1 / 3]), "bfloat16"),
        (torch.tensor([1e6]), "float16"),
        (torch.tensor([0.5]), "int32"),
        (torch.tensor([300]), "uint8"),
        (torch.tensor([-1]), "bool"),
        (torch.tensor([2**24 + 1]), "float32"),
        (torch.tensor([2**53 + 1]), "float64"),
        (torch.tensor([float("nan")]), "int32"),
    ],
)
def test_a_cast_that_changes_a_number_needs_a_reason(value: Tensor, wanted: str) -> None:
    with pytest.raises(IncompleteError, match="changes 1 of 1 values"):
        run(value, {"cast": wanted})
    assert run(value, {"cast": wanted, "rounding": "the port keeps more"}).dtype == getattr(torch, wanted)


def test_a_cast_keeps_what_is_not_finite_for_the_comparison_to_judge() -> None:
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0])
    cast = run(odd, {"cast": "bfloat16"})
    assert bool(cast[0].isnan())
    assert cast[1:3].tolist() == [float("inf"), -float("inf")]
    assert bool(cast[3].signbit())


def test_scale_and_offset_are_computed_wide_and_rounded_once() -> None:
    line = torch.arange(1.0, 100.0)
    assert same(run(line, {"scale": 0.1}), (line.double() * 0.1).float())
    assert not same(line * 0.1, (line.double() * 0.1).float())
    tensor = torch.tensor([1.0, 3.0], dtype=torch.bfloat16)
    assert same(run(tensor, {"scale": 2}, {"scale": 0.5}), tensor)
    assert same(run(tensor, {"add": -1}, {"add": 1}), tensor)
    assert run(tensor, {"add": 0.25}).tolist() == [1.25, 3.25]


REFUSED: list[tuple[Tensor, Plain, str]] = [
    (numbers(2, 3), {"permute": [0, 2, 1]}, "each axis once"),
    (numbers(2, 3), {"permute": [0]}, "each axis once"),
    (numbers(2, 3), {"transpose": [0, 2]}, "an axis that it has"),
    (numbers(2, 3), {"reshape": [4]}, "sizes that hold every element"),
    (numbers(2, 3), {"reshape": [4, -1]}, "sizes that hold every element"),
    (numbers(2, 3), {"squeeze": 0}, "an axis of size 1"),
    (numbers(2, 3), {"unsqueeze": 3}, "an axis of the result"),
    (numbers(2, 3), {"slice": [0, 4]}, "stop <= the axis' size"),
    (numbers(2, 3), {"split": [1, 1], "take": 0}, "sizes that fill the axis"),
    (numbers(2, 3), {"reorder": [1, 0]}, "an axis of 2 equal parts"),
    (numbers(2, 3), {"rope": "interleaved-to-split", "heads": 1}, "an even number of channels"),
    (numbers(2, 4), {"rope": "interleaved-to-split", "heads": 4}, "an even number of channels"),
    (numbers(2, 3, dtype=torch.int64), {"scale": 2.0}, "a floating-point tensor"),
    (numbers(2, 3, dtype=torch.int64), {"add": 2.0}, "a floating-point tensor"),
]


@pytest.mark.parametrize(("tensor", "step", "expected"), REFUSED, ids=[next(iter(step)) for _, step, _ in REFUSED])
def test_a_step_that_does_not_fit_its_tensor_is_refused(tensor: Tensor, step: Plain, expected: str) -> None:
    with pytest.raises(IncompleteError) as refusal:
        run(tensor, step)
    assert expected in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("parts", "step"),
    [
        ((numbers(2, 3), numbers(3, 3)), {"concat": 1}),
        ((numbers(2, 3), numbers(2, 3).double()), {"concat": 1}),
        ((numbers(2, 3), numbers(3)), {"concat": 0}),
        ((numbers(2, 3), numbers(2, 4)), {"stack": 0}),
        ((numbers(2, 3), numbers(2, 3)), {"stack": 3}),
        ((numbers(2, 3), numbers(2, 3)), {"concat": 2}),
    ],
)
def test_parts_that_do_not_fit_are_not_joined(parts: tuple[Tensor, Tensor], step: Plain) -> None:
    with pytest.raises(IncompleteError):
        run(parts, step)
