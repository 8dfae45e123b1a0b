"""Pairs of tensors to compare."""

import dataclasses
import math
from importlib.util import find_spec

import pytest
import torch
from hypothesis import strategies as st

compiled = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")
each_engine = pytest.mark.parametrize("engine", [pytest.param("numba", marks=compiled), "torch"])

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
NONFINITE = (math.nan, math.inf, -math.inf)
# Signed zeros, the least denormals of each format, format limits, and values whose squares leave float64.
AWKWARD = (0.0, -0.0, 5e-324, 1e-45, -1e-45, 6e-8, 9.2e-41, 65504.0, 65519.0, 3.3e38, 3.4e38, 1e-200, -1e200)

any_dtype = st.sampled_from(FLOATS)
shapes = st.lists(st.integers(1, 5), max_size=4).map(tuple)
chunks = st.integers(1, 70)
ordinary = st.floats(-1e3, 1e3) | st.integers(-3, 3).map(float)
finite = ordinary | st.sampled_from(AWKWARD) | st.floats(-1e300, 1e300)


@st.composite
def pairs(draw, nonfinite=True, dtypes=any_dtype, values=finite):
    """A pair of one shape: partly equal, partly close, partly unrelated, perhaps of two dtypes."""
    shape, own, other = draw(shapes), draw(dtypes), draw(dtypes)
    size = math.prod(shape)
    element = values | st.sampled_from(NONFINITE) if nonfinite else values
    left = torch.tensor(draw(st.lists(element, min_size=size, max_size=size)), dtype=torch.float64).to(own)
    right = torch.tensor(draw(st.lists(element, min_size=size, max_size=size)), dtype=torch.float64)
    copied = torch.tensor(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=torch.bool)
    right = torch.where(copied, left.to(torch.float64), right).to(other)
    if not nonfinite:
        # Narrowing may overflow: 3.4e38 is infinite in bfloat16 and float16.
        left, right = (torch.nan_to_num(side, posinf=1.0, neginf=-1.0) for side in (left, right))
    return left.reshape(shape), right.reshape(shape)


SUMMED = ("relative_l2", "norm_candidate", "norm_reference", "norm_ratio", "mean_abs", "bias", "cosine")


def assert_same_up_to_sum_order(left, right):
    spread = 1e-12 * (left.mean_abs if math.isfinite(left.mean_abs) else 0.0)
    for field in dataclasses.fields(left):
        ours, theirs = getattr(left, field.name), getattr(right, field.name)
        if field.name in SUMMED:
            assert ours == pytest.approx(theirs, rel=1e-12, abs=spread, nan_ok=True), field.name
        elif field.name == "concentration":
            assert [c.axis for c in ours] == [c.axis for c in theirs]
            assert [c.share for c in ours] == pytest.approx([c.share for c in theirs], rel=1e-12)
        else:
            assert repr(ours) == repr(theirs), field.name
