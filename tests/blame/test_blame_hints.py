"""Each statement about a wrong value is made where it is planted, with its numbers, and not where it is not."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from blame_cases import DTYPES, FEW, SEEDS, SHAPES, draw, longest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from parity.blame import Hint, HintKind, hint_for
from parity.blame.evidence import Verified


def found(own: Tensor, reference: Tensor, *inputs: Tensor) -> Hint:
    hint = hint_for(own, reference, inputs)
    assert hint is not None
    return hint


@FEW
@given(
    SEEDS, SHAPES, DTYPES, st.sampled_from([(0.5, "missing factor of 2"), (3.0, "factor of 3 too much"), (1.37, "")])
)
def test_a_factor_is_told_with_its_number(seed, shape, dtype, planted):
    factor, words = planted
    reference = draw(seed, shape, dtype)
    hint = found((reference.float() * factor).to(dtype), reference)
    assert hint.kind is HintKind.FACTOR
    assert float(re.findall(r"times ([\d.]+)", hint.words)[0]) == pytest.approx(factor, rel=1e-2)
    assert words in hint.words


@FEW
@given(SEEDS, SHAPES, st.floats(0.1, 5))
def test_an_offset_is_told_with_its_number(seed, shape, offset):
    reference = draw(seed, shape)
    hint = found(reference + offset, reference)
    assert hint.kind is HintKind.OFFSET
    assert float(re.findall(r"plus ([\d.]+)", hint.words)[0]) == pytest.approx(offset, rel=1e-4)


@FEW
@given(SEEDS, SHAPES, DTYPES)
def test_a_sign_is_told(seed, shape, dtype):
    reference = draw(seed, shape, dtype)
    assert found(-reference, reference).kind is HintKind.SIGN


@FEW
@given(SEEDS, SHAPES)
def test_a_line_is_told_with_both_numbers(seed, shape):
    reference = draw(seed, shape)
    hint = found(reference * 0.7 - 0.4, reference)
    assert hint.kind is HintKind.AFFINE
    assert "times 0.7 minus 0.4" in hint.words


@FEW
@given(SEEDS, DTYPES)
def test_what_happens_in_a_part_alone_is_told_of_that_part(seed, dtype):
    reference = draw(seed, (1, 12, 32), dtype)
    own = reference.clone()
    own[:, 3:7] *= 2
    hint = found(own, reference)
    assert (hint.kind, "in 3..6 of axis 1" in hint.words) == (HintKind.FACTOR, True)


@FEW
@given(SEEDS, SHAPES, DTYPES)
def test_silence_is_told(seed, shape, dtype):
    reference = draw(seed, shape, dtype)
    own = reference.clone()
    own[..., : shape[-1] // 2] = 0
    assert found(own, reference).kind is HintKind.ZERO


@FEW
@given(SEEDS, DTYPES)
def test_a_mask_on_one_side_is_told(seed, dtype):
    reference = draw(seed, (2, 1, 6, 9), dtype)
    masked = reference.clone()
    masked[..., 4:] = torch.finfo(dtype).min
    assert found(masked, reference).words.startswith("masks 60 elements")
    assert found(reference, masked).words.startswith("does not mask 60 elements")
    infinite = reference.clone()
    infinite[..., 4:] = -torch.inf
    assert found(infinite, reference).kind is HintKind.MASK
    silenced = reference.clone()
    silenced[..., 4:] = 0
    assert found(reference, silenced).kind is HintKind.MASK


@FEW
@given(SEEDS, st.sampled_from(["factor", "offset", "both"]), st.sampled_from([(1, 16, 32), (1, 6, 4, 5, 5)]))
def test_statistics_of_its_own_for_each_channel_are_told(seed, what, shape):
    reference = draw(seed, shape)
    of_channel = draw(seed + 1, (2, shape[1], *(1 for _ in shape[2:])))
    factor = of_channel[:1].exp() if what != "offset" else 1.0
    offset = of_channel[1:] if what != "factor" else 0.0
    hint = found(reference * factor + offset, reference)
    assert (hint.kind, "axis 1" in hint.words) == (HintKind.PER_INDEX, True)


@FEW
@given(SEEDS)
def test_a_norm_over_each_frame_alone_is_told_along_two_axes(seed):
    x = draw(seed, (1, 8, 3, 6, 6)) + draw(seed + 1, (1, 1, 3, 1, 1))
    reference = F.group_norm(x, 2)
    own = F.group_norm(x.transpose(1, 2).flatten(0, 1), 2).unflatten(0, (1, 3)).transpose(1, 2)
    hint = found(own, reference)
    assert (hint.kind, "axis 2" in hint.words) == (HintKind.PER_INDEX, True)


FUNCTIONS = {
    "the square of": (torch.square, lambda x: x),
    "hyperbolic tangent": (torch.tanh, lambda x: x),
    "absolute value": (torch.abs, lambda x: x),
    "square root": (torch.sqrt, torch.abs),
    "logarithm": (torch.log, lambda x: x.abs() + 0.1),
    "reciprocal": (torch.reciprocal, lambda x: x.abs() + 0.5),
}


@FEW
@given(SEEDS, SHAPES, st.sampled_from(sorted(FUNCTIONS)))
def test_a_function_of_the_reference_is_named(seed, shape, words):
    of, domain = FUNCTIONS[words]
    reference = domain(draw(seed, shape))
    hint = found(of(reference), reference)
    assert (hint.kind, words in hint.words) == (HintKind.FUNCTION, True)


@FEW
@given(SEEDS, SHAPES, DTYPES)
def test_a_missing_clamp_is_told_with_its_bounds(seed, shape, dtype):
    free = draw(seed, shape, dtype)
    held = free.clamp(-1, 1)
    hint = found(free, held)
    assert (hint.kind, "below -1 and above 1" in hint.words) == (HintKind.FUNCTION, True)
    assert found(held, free).kind is HintKind.FUNCTION


@FEW
@given(SEEDS, DTYPES)
def test_one_index_for_all_is_told(seed, dtype):
    reference = draw(seed, (3, 7, 10), dtype)
    hint = found(reference[:, 2:3].expand(3, 7, 10), reference)
    assert (hint.kind, "equals index 2" in hint.words, "axis 1" in hint.words) == (HintKind.BROADCAST, True, True)
    hint = found(draw(seed + 1, (3, 1, 10), dtype).expand(3, 7, 10), reference)
    assert (hint.kind, "axis 1" in hint.words) == (HintKind.BROADCAST, True)


@FEW
@given(SEEDS, SHAPES, DTYPES, st.integers(1, 3), st.booleans())
def test_a_shift_is_told_with_its_distance(seed, shape, dtype, distance, around):
    axis = longest(shape)
    reference = draw(seed, shape, dtype)
    own = reference.roll(distance, axis)
    if not around:
        own.narrow(axis, 0, distance).copy_(draw(seed + 1, tuple(own.narrow(axis, 0, distance).shape), dtype))
    hint = found(own, reference)
    plural = "" if distance == 1 else "s"
    assert hint.kind is HintKind.SHIFT
    assert f"delayed by {distance} sample{plural} along axis {axis}" in hint.words
    assert ("coming around" in hint.words) == around


@FEW
@given(SEEDS, st.sampled_from([0.25, 0.5, 1.5, 2.3, -0.75]))
def test_a_delay_by_a_part_of_a_sample_is_told_with_its_number(seed, delay):
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.rand(4, 6, 1, generator=generator, dtype=torch.float64) * 0.8
    phase = torch.rand(4, 6, 1, generator=generator, dtype=torch.float64) * 2 * math.pi

    def sound(shift: float) -> Tensor:
        return torch.sin(frequency * (torch.arange(200, dtype=torch.float64) - shift) + phase).sum(1).float()

    hint = found(sound(delay), sound(0))
    assert hint.kind is HintKind.SHIFT
    word, number = re.findall(r"(delayed|advanced) by ([\d.]+) samples", hint.words)[0]
    assert float(number) * (1 if word == "delayed" else -1) == pytest.approx(delay, abs=0.02)


@FEW
@given(SEEDS)
def test_a_filter_is_told_with_its_taps(seed):
    reference = draw(seed, (3, 300))
    own = 0.25 * reference.roll(1, 1) + 0.5 * reference + 0.125 * reference.roll(-1, 1)
    hint = found(own, reference)
    assert hint.kind is HintKind.FILTER
    assert "0.25, 0.5, 0.125" in hint.words


@FEW
@given(SEEDS, SHAPES, DTYPES)
def test_a_reversal_is_told(seed, shape, dtype):
    axis = longest(shape)
    reference = draw(seed, shape, dtype)
    hint = found(reference.flip(axis), reference)
    assert (hint.kind, f"axis {axis}" in hint.words) == (HintKind.REVERSAL, True)


@FEW
@given(SEEDS, DTYPES)
def test_exchanged_and_permuted_channels_are_told(seed, dtype):
    reference = draw(seed, (2, 9, 11), dtype)
    order = torch.arange(9)
    order[[2, 7]] = order[[7, 2]]
    hint = found(reference[:, order], reference)
    assert (hint.kind, "indices 2 and 7 exchanged along axis 1" in hint.words) == (HintKind.PERMUTATION, True)
    order = torch.tensor([4, 2, 8, 0, 6, 1, 3, 7, 5])
    hint = found(reference[:, order], reference)
    assert (hint.kind, "0 from 4, 1 from 2" in hint.words) == (HintKind.PERMUTATION, True)


LAYOUTS = {
    "axes 1 and 2 swapped": lambda x: x.transpose(1, 2),
    "first and second half of axis 2 interleaved": lambda x: x.unflatten(2, (2, -1)).transpose(2, 3).flatten(2),
    "axis 2 split into halves": lambda x: x.unflatten(2, (-1, 2)).transpose(2, 3).flatten(2),
    "every 4 x 4 part of axes 1 and 2 transposed": lambda x: (
        x.unflatten(2, (-1, 4)).unflatten(1, (-1, 4)).transpose(2, 4).flatten(3).flatten(1, 2)
    ),
    "axis 2 read as 2 x 2 x 3 and the last two swapped": lambda x: x.unflatten(2, (2, 2, 3)).transpose(3, 4).flatten(2),
}


@FEW
@given(SEEDS, DTYPES, st.sampled_from(sorted(LAYOUTS)))
def test_another_layout_is_told(seed, dtype, words):
    reference = draw(seed, (3, 12, 12), dtype)
    hint = found(LAYOUTS[words](reference).contiguous(), reference)
    assert (hint.kind, words in hint.words) == (HintKind.LAYOUT, True), hint.words


def test_the_opposite_order_in_memory_is_told():
    reference = draw(0, (2, 6, 10))
    own = reference.transpose(1, 2).reshape(2, 6, 10)
    assert "axes 1 and 2" in found(own, reference).words
    assert found(own, reference).kind is HintKind.LAYOUT


def test_phases_one_behind_the_other_are_told_where_the_length_is_no_multiple():
    reference = draw(0, (2, 1017))
    padded = F.pad(reference, (0, 103))
    own = padded.unflatten(-1, (-1, 160)).transpose(-1, -2).flatten(-2)[..., :1017]
    hint = found(own, reference)
    assert (hint.kind, "every 160th element" in hint.words) == (HintKind.LAYOUT, True)


@FEW
@given(SEEDS, SHAPES, DTYPES)
def test_another_known_tensor_is_named(seed, shape, dtype):
    reference, *inputs = (draw(seed + i, shape, dtype) for i in range(4))
    hint = found(inputs[1].clone(), reference, *inputs)
    assert (hint.kind, "inputs[1]" in hint.words) == (HintKind.TENSOR, True)


@FEW
@given(SEEDS, DTYPES)
def test_a_window_of_a_known_tensor_and_a_whole_one_in_a_part_are_named(seed, dtype):
    reference, layer = draw(seed, (2, 8, 10), dtype), draw(seed + 1, (2, 8), dtype)
    longer = draw(seed + 2, (2, 20, 10), dtype)
    assert "indices 5..12 of its axis 1" in found(longer[:, 5:13], reference, longer).words
    own = reference.clone()
    own[..., 3] = layer
    hint = found(own, reference, layer)
    assert (hint.kind, "at index 3 of axis 2" in hint.words) == (HintKind.TENSOR, True)


@FEW
@given(
    SEEDS, SHAPES, st.sampled_from([(-1.0, "without inputs[0]"), (1.0, "added once more"), (0.25, "plus 0.25 times")])
)
def test_a_term_too_few_or_too_many_is_told(seed, shape, planted):
    weight, words = planted
    x, update = draw(seed, shape), draw(seed + 1, shape)
    hint = found(x + update + weight * update, x + update, update)
    # What is left without the one term may be told as the other one, and is the same.
    assert (hint.kind, words in hint.words) == (HintKind.TERM, True)


@FEW
@given(SEEDS, DTYPES)
def test_a_residual_without_its_gate_is_told_as_the_sum_that_it_is(seed, dtype):
    x, update, gate = (draw(seed + i, (1, 12, 32), dtype) for i in range(3))
    hint = found(x + update, x + gate * update, x, update)
    assert hint.kind is HintKind.FORMULA
    assert all(word in hint.words for word in ("inputs[0]", "inputs[1]", " plus "))


@FEW
@given(SEEDS)
def test_a_missing_factor_that_is_a_tensor_is_named(seed):
    x, gate = draw(seed, (2, 9, 16)), draw(seed + 1, (2, 9, 1)).exp()
    hint = found(x, x * gate, gate)
    assert (hint.kind, "divided by inputs[0]" in hint.words) == (HintKind.FORMULA, True)


@FEW
@given(SEEDS)
def test_a_mixture_by_a_mask_is_named(seed):
    x, noise = draw(seed, (2, 12, 16)), draw(seed + 1, (2, 12, 16))
    mask = draw(seed + 2, (2, 12, 1)).sigmoid()
    hint = found(torch.lerp(x, noise, mask), torch.lerp(x, noise, 0.3 * mask), x, noise, mask)
    assert (hint.kind, "inputs[2]" in hint.words) == (HintKind.FORMULA, True)


@FEW
@given(SEEDS)
def test_a_step_towards_the_wrong_value_is_named(seed):
    x, first, second = (draw(seed + i, (2, 12, 16)) for i in range(3))
    hint = found(x + 0.4 * (first - second), x + 0.1 * first, x, first, second)
    assert hint.kind is HintKind.FORMULA


READINGS = {
    "factor and term exchanged": lambda x, a, b: b * x + a,
    "added before the factor": lambda x, a, b: a * (x + b),
    "the inverse is applied": lambda x, a, b: (x - b) / a,
    "without its term": lambda x, a, b: a * x,
    "scale and shift exchanged": lambda x, a, b: (1 + b) * x + a - 1,
}


@FEW
@given(SEEDS, st.sampled_from(sorted(READINGS)))
def test_a_factor_and_a_term_of_each_channel_used_otherwise_are_told(seed, words):
    x = draw(seed, (1, 12, 2, 1, 1))
    a, b = draw(seed + 1, (1, 12, 1, 1, 1)).exp(), draw(seed + 2, (1, 12, 1, 1, 1))
    hint = found(READINGS[words](x, a, b), a * x + b, x)
    assert (hint.kind, words in hint.words) == (HintKind.PER_INDEX, True)


@FEW
@given(SEEDS)
def test_statistics_in_another_order_are_told(seed):
    x, order = draw(seed, (1, 2, 8)), torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
    a, b = draw(seed + 1, (8,)).exp(), draw(seed + 2, (8,))
    hint = found(a[order] * x + b[order], a * x + b, x)
    assert (hint.kind, "(0, 2, 4, 6, 1, 3, 5, 7)" in hint.words) == (HintKind.PER_INDEX, True)


@FEW
@given(SEEDS)
def test_what_is_added_times_a_factor_of_each_channel_is_told(seed):
    x, update = draw(seed, (1, 8, 30)), draw(seed + 1, (1, 8, 30))
    factor = draw(seed + 2, (1, 8, 1)).exp()
    hint = found(x + factor * update, x + update, x)
    assert (hint.kind, "adds to inputs[0]" in hint.words) == (HintKind.PER_INDEX, True)


@FEW
@given(SEEDS, DTYPES)
def test_pairs_rotated_otherwise_are_told(seed, dtype):
    x, angle = draw(seed, (1, 10, 4, 8)), draw(seed + 1, (1, 10, 4, 4))

    def turned(x: Tensor, angle: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)

    def in_neighbours(x: Tensor) -> Tensor:
        return turned(x.unflatten(-1, (-1, 2)).mT.flatten(-2), angle).unflatten(-1, (2, -1)).mT.flatten(-2)

    right = turned(x, angle).to(dtype)
    assert found(in_neighbours(x).to(dtype), right, x.to(dtype)).kind is HintKind.LAYOUT
    back = found(turned(x, angle.flip(1)).to(dtype), right, x.to(dtype))
    assert (back.kind, "reversed along axis 1" in back.words) == (HintKind.REVERSAL, True)
    assert found(turned(x, -angle).to(dtype), right, x.to(dtype)).kind is HintKind.SIGN


@FEW
@given(SEEDS)
def test_another_statistic_is_named(seed):
    x = draw(seed, (1, 4, 4)) + 2
    hint = found(x.std(correction=0), x.std(), x)
    assert (hint.kind, "standard deviation (n) of inputs[0]" in hint.words) == (HintKind.STATISTIC, True)
    assert "root mean square" in found(x.square().mean().sqrt(), x.std(), x).words


@FEW
@given(SEEDS, SHAPES, st.sampled_from([torch.bfloat16, torch.float16]))
def test_rounding_to_a_narrower_dtype_is_named(seed, shape, narrow):
    reference = draw(seed, shape)
    name = str(narrow).removeprefix("torch.")
    assert found(reference.to(narrow).float(), reference).words == f"equals the reference rounded to {name}"
    assert name in found(reference, reference.to(narrow).float()).words


def test_bytes_that_are_rounded_and_not_cut_off_are_told():
    exact = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)) * 255
    hint = found(exact.round().to(torch.uint8), exact.to(torch.uint8))
    assert hint.kind is HintKind.ROUNDING


@FEW
@given(SEEDS, st.sampled_from([(1, 4, 12, 12), (2, 3, 9, 16)]))
def test_other_padding_is_told_by_the_edges(seed, shape):
    x, weight = draw(seed, shape), draw(seed + 1, (5, shape[1], 3, 3))
    zeros = F.conv2d(x, weight, padding=1)
    mirrored = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight)
    hint = found(mirrored, zeros)
    assert (hint.kind, "axis 2 and axis 3" in hint.words) == (HintKind.EDGES, True)


@FEW
@given(st.integers(0, 50), st.integers(1, 9))
def test_whole_numbers_and_truth_values_are_looked_at_too(seed, offset):
    numbers = torch.randint(0, 1000, (6, 20), generator=torch.Generator().manual_seed(seed))
    assert found(numbers + offset, numbers).kind is HintKind.OFFSET
    assert found(numbers.roll(2, 1), numbers).kind is HintKind.SHIFT
    flags = numbers > 500
    assert found(flags.flip(1), flags).kind is HintKind.REVERSAL


def test_complex_numbers_are_looked_at_by_their_parts():
    reference = torch.complex(draw(0, (4, 30)), draw(1, (4, 30)))
    assert found(reference * 0.5, reference).kind is HintKind.FACTOR


NOISY = {
    HintKind.FACTOR: lambda x: x * 0.5,
    HintKind.SHIFT: lambda x: x.roll(2, 2),
    HintKind.REVERSAL: lambda x: x.flip(1),
    HintKind.LAYOUT: lambda x: x.unflatten(2, (2, -1)).transpose(2, 3).flatten(2),
    HintKind.PERMUTATION: lambda x: x[:, [0, 1, 9, 3, 4, 5, 6, 7, 8, 2, 10, 11]],
    HintKind.SIGN: lambda x: -x,
}


@FEW
@given(SEEDS, DTYPES, st.sampled_from(list(NOISY)))
def test_rounding_of_another_machine_does_not_hide_what_is_wrong(seed, dtype, kind):
    reference = draw(seed, (2, 12, 16), dtype)
    own = NOISY[kind](reference).contiguous()
    bits = {torch.float32: torch.int32, torch.bfloat16: torch.int16}[dtype]
    moved = torch.randint(-1, 2, own.shape, generator=torch.Generator().manual_seed(seed))
    assert found((own.view(bits) + moved.to(bits)).view(dtype), reference).kind is kind


# Levels of luma, once over the limited range and once over the full one, as a wrong encoder gave them in bfloat16.
LIMITED = (173, 162, 182, 166, 191, 175, 185, 157, 189, 188, 174, 190, 168, 187, 189, 179, 198, 176, 163, 170, 184, 175,
           183, 186, 176, 187, 192, 167, 189, 186, 175, 192, 176, 174, 183, 183, 172, 191, 178, 175)  # fmt: skip
FULL = (183, 170, 193, 174, 204, 185, 196, 164, 201, 200, 184, 202, 177, 199, 201, 190, 212, 186, 171, 179, 195, 185,
        194, 198, 186, 199, 205, 175, 201, 198, 185, 205, 186, 184, 194, 194, 181, 203, 188, 185)  # fmt: skip


def test_a_line_is_told_where_a_factor_nearly_fits():
    """Within the largest rounding a factor holds; a line leaves what rounding is likely to."""
    hint = hint_for(torch.tensor(FULL).bfloat16(), torch.tensor(LIMITED).bfloat16())
    assert hint is not None
    assert hint.kind is HintKind.AFFINE, hint


def test_a_simpler_statement_gives_way_to_an_exact_one_or_to_one_that_leaves_much_less():
    def verified(residual: float, exact: bool) -> Verified:
        return Verified(Hint(HintKind.FACTOR, "", residual, 20), exact, False)

    assert verified(0.04, True).betters(verified(0.03, False))
    assert not verified(0.01, False).betters(verified(0.03, True))
    assert verified(0.01, False).betters(verified(0.03, False))
    assert not verified(0.02, False).betters(verified(0.03, False))
