"""Nothing is said of what is equal, of rounding (but that it is rounding), and of errors that no statement explains."""

import math

import pytest
import torch
from blame_cases import DTYPES, FEW, SEEDS, SHAPES, draw
from hypothesis import given
from hypothesis import strategies as st

from parity.blame import HintKind, hint_for


@FEW
@given(SEEDS, SHAPES, DTYPES)
def test_equal_tensors_draw_no_hint(seed, shape, dtype):
    reference = draw(seed, shape, dtype)
    assert hint_for(reference.clone(), reference, [draw(seed + 1, shape, dtype)]) is None


@FEW
@given(SEEDS, SHAPES, DTYPES, st.floats(0.02, 3))
def test_noise_draws_no_hint(seed, shape, dtype, size):
    reference, noise, *inputs = (draw(seed + i, shape) for i in range(5))
    own = (reference + size * noise).to(dtype)
    hint = hint_for(own, reference.to(dtype), [x.to(dtype) for x in inputs])
    assert hint is None, hint


@FEW
@given(SEEDS, SHAPES, DTYPES)
def test_an_unrelated_tensor_draws_no_hint(seed, shape, dtype):
    own, reference, *inputs = (draw(seed + i, shape, dtype) for i in range(5))
    hint = hint_for(own, reference, inputs)
    assert hint is None, hint


@FEW
@given(SEEDS)
def test_another_weight_draws_no_hint(seed):
    """A wrong weight is a wrong value of no particular kind."""
    x, right, wrong = draw(seed, (1, 40, 16)), draw(seed + 1, (16, 24)), draw(seed + 2, (16, 24))
    hint = hint_for(x @ wrong, x @ right, [x])
    assert hint is None, hint


@pytest.mark.parametrize("seed", range(4))
def test_tokens_that_are_equal_do_not_confirm_each_other(seed):
    """Two noise levels among eight tokens give two rows over and over: a line for each channel fits any two of them."""
    rows = draw(seed, (1, 2, 64))[:, [0, 0, 1, 1, 1, 1, 1, 1]]
    noise = 3e-3 * draw(seed + 9, (1, 2, 64))[:, [0, 0, 1, 1, 1, 1, 1, 1]]
    hint = hint_for((rows + noise).bfloat16(), rows)
    assert hint is None or hint.kind is HintKind.ROUNDING, hint


def test_the_outer_columns_of_a_table_are_no_edges():
    table = draw(5, (24, 5), torch.float32).mul(1000).long()
    wrong = table.clone()
    wrong[:, [0, 4]] += draw(6, (24, 2)).mul(50).long()
    assert hint_for(wrong, table) is None


def test_that_something_is_close_to_one_does_not_say_that_it_was_rounded():
    reference = torch.tensor([1.0, 0.1, 0.0])
    assert hint_for(reference - torch.tensor([6e-8, 0, 0]), reference) is None


def test_what_hardly_differs_from_its_source_is_no_rotation_of_it():
    """Where a few pairs of channels are turned, the others keep the norms of any pairs, whichever they are."""
    source = draw(1, (1, 127, 24))

    def turned(half: int) -> torch.Tensor:
        pairs = source.unflatten(-1, (-1, 2, half)).clone()
        first, second = pairs[0, ::63, :, 0].clone(), pairs[0, ::63, :, 1].clone()
        pairs[0, ::63, :, 0], pairs[0, ::63, :, 1] = 0.6 * first - 0.8 * second, 0.8 * first + 0.6 * second
        return pairs.flatten(2)

    hint = hint_for(turned(2), turned(1), [source])
    assert hint is None or "rotated" not in hint.words, hint


@FEW
@given(SEEDS, st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_another_order_of_sums_is_rounding_or_nothing(seed, dtype):
    x, weight = draw(seed, (1, 24, 64), dtype), draw(seed + 1, (64, 32), dtype)
    own = (x[..., 32:].float() @ weight[32:].float() + x[..., :32].float() @ weight[:32].float()).to(dtype)
    hint = hint_for(own, x @ weight, [x])
    assert hint is None or hint.kind is HintKind.ROUNDING, hint


@FEW
@given(SEEDS, DTYPES)
def test_a_last_digit_here_and_there_is_rounding_or_nothing(seed, dtype):
    reference = draw(seed, (1, 24, 64), dtype)
    moved = torch.rand(reference.shape, generator=torch.Generator().manual_seed(seed)) < 0.1
    own = torch.where(moved, torch.nextafter(reference.float(), torch.tensor(torch.inf)), reference.float()).to(dtype)
    if dtype is torch.bfloat16:
        own = torch.where(moved, (reference.view(torch.int16) + 1).view(dtype), reference)
    hint = hint_for(own, reference)
    assert hint is None or hint.kind is HintKind.ROUNDING, hint


@FEW
@given(SEEDS, DTYPES)
def test_a_smooth_small_error_is_not_taken_for_rounding(seed, dtype):
    """An epsilon, or a window of another length: as small as rounding, and yet a formula that is off."""
    reference = torch.hann_window(200 + seed % 50).clamp(min=1e-3)
    own = torch.hann_window(200 + seed % 50, periodic=False).clamp(min=1e-3)
    hint = hint_for(own, reference)
    assert hint is None or hint.kind is not HintKind.ROUNDING, hint


@pytest.mark.parametrize(("own", "reference"), [(0.8, 0.2), (1.0, 2.0), (0.25, 1.0), (3.0, 0.5)])
def test_one_round_number_in_the_place_of_another_proves_nothing(own, reference):
    hint = hint_for(torch.full((1, 4, 1), own), torch.full((1, 4, 1), reference))
    assert hint is None, hint


def test_a_bfloat16_number_that_equals_one_of_many_proves_nothing():
    numbers = [torch.tensor([value], dtype=torch.bfloat16) for value in torch.linspace(0.1, 3, 60).tolist()]
    assert hint_for(numbers[7].clone(), numbers[30], numbers[:30]) is None


def test_two_flags_that_happen_to_be_equal_prove_nothing():
    own, reference = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 1.0])
    assert hint_for(own, reference, [torch.tensor([1.0, 1.0, 0.0])]) is None


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2)])
def test_empty_tensors_draw_no_hint(shape):
    assert hint_for(torch.zeros(shape), torch.ones(shape)) is None


def test_other_shapes_draw_no_hint():
    assert hint_for(torch.zeros(3, 2), torch.ones(2, 3)) is None


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_does_not_stop_the_search(value):
    reference = draw(0, (4, 50))
    own = reference * 0.5
    own[1, 7] = value
    hint = hint_for(own, reference)
    assert hint is None or hint.kind in (HintKind.FACTOR, HintKind.MASK)
    assert hint_for(torch.full_like(reference, value), reference) is None or value == -torch.inf


HOSTILE = [
    torch.zeros(4, 6),
    torch.full((4, 6), 1e300, dtype=torch.float64),
    torch.full((4, 6), 1e-310, dtype=torch.float64),
    torch.tensor([[torch.nan, torch.inf, -torch.inf, 0, -0.0, 1]] * 4),
    torch.full((4, 6), torch.finfo(torch.float32).min),
    torch.randint(-(2**62), 2**62, (4, 6), generator=torch.Generator().manual_seed(0)),
    torch.zeros(4, 6, dtype=torch.bool),
    torch.zeros(4, 6, dtype=torch.complex64),
    torch.arange(24).view(4, 6).to(torch.uint8),
    draw(3, (4, 6)).to(torch.float8_e4m3fn),
    draw(3, (6, 4)).T,
    draw(3, (4, 6)).to_sparse().to_dense(),
]


@pytest.mark.parametrize("left", range(len(HOSTILE)))
@pytest.mark.parametrize("right", range(len(HOSTILE)))
def test_no_numbers_make_the_search_fail(left, right):
    """Nor warn: warnings are errors here."""
    own, reference = HOSTILE[left], HOSTILE[right]
    hint = hint_for(own, reference, [HOSTILE[(left + right) % len(HOSTILE)], reference])
    assert hint is None or (hint.words and math.isfinite(hint.residual))
