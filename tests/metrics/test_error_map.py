"""Where an error lies, coarsely: cells of rows and columns, and heads."""

import math

import pytest
import torch

from parity.errors import BadInputError
from parity.metrics import CompareOptions, ErrorMap, HeadAxis, compare, error_map, grid
from parity.metrics.error_map import LETTERS, NOTHING, SIDE, STEPS

SHAPES = [(7,), (3, 5), (2, 33, 70), (1, 64, 32), (40, 2, 3), (65, 1), (1, 100), (2, 2, 2, 2)]


def noise(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def mapped(candidate, reference, heads=None, **options) -> ErrorMap | None:
    options = CompareOptions(**options)
    return error_map(candidate, reference, compare(candidate, reference).max_abs, heads, options)


def one_by_one(candidate, reference) -> list[list[float]]:
    """Squared errors by cell, one element at a time."""
    cells = grid(candidate.shape)
    found = [[0.0] * cells.column_cells for _ in range(cells.row_cells)]
    flat = zip(candidate.flatten().tolist(), reference.flatten().tolist(), strict=True)
    for position, (own, other) in enumerate(flat):
        if math.isfinite(own) and math.isfinite(other):
            row, column = divmod(position, candidate.shape[-1])
            found[row // cells.row_size][column // cells.column_size] += (own - other) ** 2
    return found


def roots(found: ErrorMap) -> list[float]:
    return [0 if letter == NOTHING else found.peak * 2 ** (-LETTERS.index(letter) / STEPS) for letter in found.cells]


def close(found: ErrorMap, expected: list[list[float]]) -> bool:
    flat = [math.sqrt(value) for row in expected for value in row]
    assert found.peak == pytest.approx(max(flat), rel=1e-12)
    floor = found.peak * 2 ** (-(len(LETTERS) - 1) / STEPS)
    # A letter is half a step off at most.
    return len(flat) == len(found.cells) and all(
        (root == 0) == (value == 0) and (value <= floor or abs(math.log2(root / value)) <= 0.5 / STEPS + 1e-9)
        for root, value in zip(roots(found), flat, strict=True)
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 2**20])
def test_each_cell_has_the_squared_error_of_its_elements_however_much_is_read_at_once(shape, chunk):
    reference = noise(shape)
    candidate = reference + noise(shape, 1) * 1e-3
    candidate.view(-1)[0] = reference.view(-1)[0]
    found = mapped(candidate, reference, chunk_elements=chunk)
    assert close(found, one_by_one(candidate, reference))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cells_are_few_and_of_one_size_but_for_the_last(shape):
    cells = grid(shape)
    assert 1 <= cells.row_cells <= SIDE
    assert 1 <= cells.column_cells <= SIDE
    assert (cells.row_cells - 1) * cells.row_size < cells.rows <= cells.row_cells * cells.row_size
    assert (cells.column_cells - 1) * cells.column_size < cells.columns <= cells.column_cells * cells.column_size


def test_what_is_not_finite_on_either_side_is_no_error():
    reference, candidate = noise((4, 6)), noise((4, 6), 1)
    candidate[0, 0], reference[1, 1], candidate[2, 2], reference[2, 2] = math.nan, math.inf, -math.inf, -math.inf
    assert close(mapped(candidate, reference), one_by_one(candidate, reference))


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_errors_whose_squares_no_float64_holds_are_mapped(scale):
    reference = noise((4, 8)).double()
    candidate = reference + noise((4, 8), 1).double()
    small = mapped(candidate, reference)
    large = mapped(candidate * scale, reference * scale)
    assert large.peak == pytest.approx(small.peak * scale, rel=1e-12)
    # Scaling rounds, and may carry an error across the edge between two letters.
    assert sum(a != b for a, b in zip(large.cells, small.cells, strict=True)) <= 1


def test_whole_numbers_and_other_precisions_are_mapped_as_they_are_compared():
    reference = torch.arange(24).reshape(4, 6) + 2**60
    assert close(mapped(reference + torch.eye(4, 6, dtype=torch.int64), reference), torch.eye(4, 6).tolist())
    fine = noise((4, 6))
    assert close(mapped(fine.bfloat16(), fine), one_by_one(fine.bfloat16(), fine))


def test_strides_do_not_matter():
    reference, candidate = noise((6, 4)), noise((6, 4), 1)
    assert mapped(candidate.T, reference.T) == mapped(candidate.T.contiguous(), reference.T.contiguous())


@pytest.mark.parametrize(
    ("shape", "axis", "count"),
    [((2, 5, 12), 2, 4), ((2, 5, 4), 2, 4), ((1, 4, 5, 3), 1, 4), ((3, 8, 5), 1, 2), ((4, 3), 0, 4)],
)
@pytest.mark.parametrize("chunk", [3, 2**20])
def test_heads_hold_their_share_of_the_squared_error_on_whatever_axis_they_lie(shape, axis, count, chunk):
    reference, candidate = noise(shape).double(), noise(shape, 1).double()
    found = mapped(candidate, reference, HeadAxis(axis, count), chunk_elements=chunk)
    squares = ((candidate - reference) ** 2).movedim(axis, 0).reshape(count, -1).sum(dim=1)
    assert found.heads.axis == axis
    assert found.heads.shares == pytest.approx((squares / squares.sum()).tolist(), rel=1e-9)


@pytest.mark.parametrize("heads", [HeadAxis(1, 5), HeadAxis(2, 2), HeadAxis(-1, 2), HeadAxis(1, 1), HeadAxis(1, 0)])
def test_heads_that_a_shape_does_not_have_are_left_out(heads):
    assert mapped(noise((3, 8)), noise((3, 8), 1), heads).heads is None


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (0, 3)], ids=str)
def test_what_has_no_more_than_one_element_has_no_map(shape):
    assert error_map(torch.ones(shape), torch.zeros(shape), 1.0) is None
    assert grid(shape) is None


def test_where_there_is_no_error_or_none_that_can_be_told_there_is_no_map():
    same = noise((3, 4))
    assert mapped(same, same.clone()) is None
    assert error_map(same, same + 1, math.inf) is None
    assert error_map(same, same + 1, math.nan) is None
    most = torch.full((2, 64), 1.7e308, dtype=torch.float64)
    assert mapped(most, -most * 0.05) is None


def test_a_whole_number_that_no_float64_holds_is_refused_beside_a_float():
    with pytest.raises(BadInputError, match="2\\*\\*53"):
        error_map(torch.tensor([2**60 + 1, 0]), torch.zeros(2), 1.0)
