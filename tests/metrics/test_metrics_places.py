"""Where the error is: the worst elements and the axes along which it gathers."""

import math

import metrics_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_oracle import Exact

from parity.metrics import CompareOptions, compare
from parity.metrics import concentration as concentration_module


@cases.each_engine
@settings(deadline=None)
@given(pair=cases.pairs(), chunk=cases.chunks)
def test_each_axis_names_an_index_of_the_largest_share(engine, pair, chunk):
    found, exact = compare(*pair, CompareOptions(chunk_elements=chunk, engine=engine)), Exact(*pair)
    axes = [axis for axis, size in enumerate(pair[0].shape) if size > 1] if exact.error_squares else []
    assert [entry.axis for entry in found.concentration] == axes
    for entry in found.concentration:
        size = pair[0].shape[entry.axis]
        shares = exact.shares(entry.axis, size)
        assert entry.share == pytest.approx(float(max(shares)), rel=1e-12)
        assert float(shares[entry.index]) == pytest.approx(entry.share, rel=1e-12)
        assert entry.evenness == pytest.approx(entry.share * size)


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_a_planted_token_head_or_channel_is_found(data):
    shape = (2, 7, 4, 9)
    axis = data.draw(st.integers(0, 3))
    index = data.draw(st.integers(0, shape[axis] - 1))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    reference = torch.randn(shape, generator=generator)
    candidate = reference + 1e-5 * torch.randn(shape, generator=generator)
    candidate.select(axis, index).add_(0.5)
    entries = {entry.axis: entry for entry in compare(candidate, reference).concentration}
    assert entries[axis].index == index
    assert entries[axis].evenness == pytest.approx(shape[axis], rel=1e-6)
    assert all(entry.evenness < 1.01 for other, entry in entries.items() if other != axis)


@cases.each_engine
@given(data=st.data(), chunk=st.integers(50, 4000), count=st.integers(0, 12))
@settings(deadline=None, max_examples=50)
def test_the_worst_are_the_largest_errors_and_the_first_of_equals(engine, data, chunk, count):
    size = 5 * 8 * 100
    spots = data.draw(st.lists(st.integers(0, size - 1), max_size=20, unique=True))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=len(spots), max_size=len(spots)))
    candidate = torch.zeros(size)
    candidate[spots] = torch.tensor(sizes, dtype=torch.float32)
    shape = (5, 8, 100)
    options = CompareOptions(chunk_elements=chunk, worst_count=count, engine=engine)
    found = compare(candidate.reshape(shape), torch.zeros(shape), options)
    order = sorted(zip(spots, sizes, strict=True), key=lambda spot: (-spot[1], spot[0]))[:count]
    expected = [((s // 800, s // 100 % 8, s % 100), float(v)) for s, v in order]
    assert [(w.coordinates, w.abs_error) for w in found.worst] == expected
    assert all(w.candidate == w.abs_error and w.reference == 0 for w in found.worst)


def test_a_constant_offset_lists_the_first_elements():
    reference = torch.zeros(40, 100)
    found = compare(reference + 1, reference)
    assert [w.coordinates for w in found.worst] == [(0, index) for index in range(8)]
    assert all(entry.evenness == pytest.approx(1.0) for entry in found.concentration)


def test_a_nan_hides_no_error_elsewhere():
    reference = torch.ones(6, 50)
    candidate = reference.clone()
    candidate[4, 3], candidate[2, 9] = 3.0, math.nan
    found = compare(candidate, reference)
    assert found.worst[0].coordinates == (4, 3)
    assert found.nonfinite_first == (2, 9)
    assert [entry.index for entry in found.concentration] == [4, 3]


@cases.each_engine
def test_an_axis_too_long_to_track_is_left_out_and_the_others_are_right(monkeypatch, engine):
    monkeypatch.setattr(concentration_module, "TRACKED_AXIS_LIMIT", 10)
    candidate = torch.zeros(3, 11, 5)
    candidate[2, 6, 1] = 1.0
    found = compare(candidate, torch.zeros(3, 11, 5), CompareOptions(chunk_elements=7, engine=engine))
    assert [(entry.axis, entry.index, entry.share) for entry in found.concentration] == [(0, 2, 1.0), (2, 1, 1.0)]


def test_a_scalar_has_a_place_and_no_axes():
    found = compare(torch.tensor(1.0), torch.tensor(3.0))
    assert found.worst[0].coordinates == ()
    assert found.concentration == ()
    assert (found.shape, found.elements, found.bias) == ((), 1, -2.0)
