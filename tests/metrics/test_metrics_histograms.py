"""Bins of error and the quantiles read off them."""

import math

import metrics_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_oracle import Exact

from parity.metrics import ERROR_BINS, ULP_BINS, compare
from parity.metrics.histograms import LogBins

magnitudes = st.floats(0, 1e12) | st.floats(0, 1e-9) | st.sampled_from((*ERROR_BINS.upper_edges, 5e-324))


@pytest.mark.parametrize("bins", [ERROR_BINS, ULP_BINS, LogBins(-3, 4, 3)])
@given(values=st.lists(magnitudes, min_size=1, max_size=20))
def test_every_value_lies_above_the_edge_before_its_bin_and_not_above_its_own(bins, values):
    counts = bins.tally(torch.tensor(values, dtype=torch.float64)).tolist()
    edges = bins.upper_edges
    assert len(counts) == len(edges) == bins.bin_count
    for index, edge in enumerate(edges):
        below = edges[index - 1] if index else -1.0
        assert counts[index] == sum(below < value <= edge for value in values)


@pytest.mark.parametrize("bins", [ERROR_BINS, ULP_BINS])
def test_every_edge_belongs_to_its_bin_and_the_next_float_to_the_next(bins):
    for index, edge in enumerate(bins.upper_edges[:-1]):
        counts = bins.tally(torch.tensor([edge, math.nextafter(edge, math.inf)], dtype=torch.float64))
        assert (counts[index], counts[index + 1]) == (1, 1)


def test_error_bins_span_the_promised_range_by_steps_of_a_quarter_at_most():
    first, *inner, last = ERROR_BINS.upper_edges[1:]
    assert first <= 1e-12
    assert inner[-1] >= 1e6
    assert last == math.inf
    assert all(low < high <= 1.25 * low for low, high in zip([first, *inner], inner, strict=False))


@settings(deadline=None)
@given(cases.pairs(nonfinite=False))
def test_a_quantile_is_never_below_the_true_one_nor_above_the_maximum(pair):
    found, errors = compare(*pair), sorted(float(error) for error in Exact(*pair).errors)
    assert list(found.quantiles) == [0.5, 0.9, 0.99, 0.999, 0.9999]
    for level, value in found.quantiles.items():
        true = errors[math.ceil(level * len(errors)) - 1]
        assert true <= value <= errors[-1]
        assert value <= max(1.25 * true, 2**-40) or true > 2**20


def test_a_quantile_tells_the_bulk_from_the_tail():
    reference = torch.zeros(10_000, dtype=torch.float64)
    candidate = reference.clone()
    candidate[:60] = 1.0
    candidate[:2] = 512.0
    found = compare(candidate, reference)
    assert found.quantiles == {0.5: 0.0, 0.9: 0.0, 0.99: 0.0, 0.999: 1.0, 0.9999: 512.0}
    assert found.error_histogram == {0.0: 9940, 1.0: 58, 512.0: 2}
