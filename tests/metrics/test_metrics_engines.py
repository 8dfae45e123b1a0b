"""Two engines, any number of threads, any cut into pieces: one result."""

import itertools
import math
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import metrics_cases as cases
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_cases import assert_same_up_to_sum_order

from parity.errors import BadInputError
from parity.metrics import CompareOptions, compare, engine_name, engines
from parity.metrics.accumulator import Accumulator
from parity.metrics.exactness import SUPPORTED, Pair
from parity.metrics.found import Found, Subject
from parity.metrics.worst import WorstElements

TILE = 512  # of the compiled pass


def both(candidate, reference, **options):
    return [compare(candidate, reference, CompareOptions(engine=e, **options)) for e in ("numba", "torch")]


def spoiled(size, dtype, seed=0):
    """A pair with errors of every size, some elements equal, some not finite, zeros of both signs."""
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(size, generator=generator, dtype=torch.float64)
    noise = torch.randn(size, generator=generator, dtype=torch.float64) * 10.0 ** torch.randint(
        -9, 1, (size,), generator=generator
    )
    candidate = torch.where(torch.rand(size, generator=generator) < 0.3, reference, reference + noise)
    for side in (candidate, reference):
        places = torch.randint(0, size, (max(size // 300, 1),), generator=generator)
        side[places] = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0])[places % 5].to(torch.float64)
    return candidate.to(dtype), reference.to(dtype)


@cases.compiled
@settings(deadline=None)
@given(cases.pairs(), cases.chunks)
def test_both_engines_find_the_same(pair, chunk):
    assert_same_up_to_sum_order(*both(*pair, chunk_elements=chunk))


@cases.compiled
@pytest.mark.parametrize("dtype", cases.FLOATS)
@pytest.mark.parametrize("size", [1, TILE - 1, TILE, TILE + 1, 3 * TILE + 17, 70_001])
def test_both_engines_find_the_same_at_every_end_of_a_tile(dtype, size):
    assert_same_up_to_sum_order(*both(*spoiled(size, dtype)))


@cases.compiled
@pytest.mark.parametrize(("own", "other"), list(itertools.product(sorted(SUPPORTED, key=str), repeat=2)))
def test_both_engines_find_the_same_for_any_two_formats(own, other):
    values = torch.tensor([0, 1, 2, 3, 100, 5, 6, 7]).repeat(80).reshape(8, 80)
    assert_same_up_to_sum_order(*both(values.to(own), values.flip(1).to(other)))


@cases.compiled
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 7, 1), (5, 1, 40, 3), (2, 2, 2, 2, 2, 40), (3, 700), (700, 3)])
def test_both_engines_sum_onto_the_same_axes(shape):
    generator = torch.Generator().manual_seed(1)
    reference = torch.randn(shape, generator=generator)
    candidate = reference + torch.randn(shape, generator=generator)
    for chunk in (7, 100, 2**20):
        assert_same_up_to_sum_order(*both(candidate, reference, chunk_elements=chunk))


@cases.compiled
@pytest.mark.parametrize(
    "view",
    [
        lambda t: t[0, 0, 0],
        lambda t: t[:0],
        lambda t: t.transpose(0, 2),
        lambda t: t[:, ::2, 1:],
        lambda t: t[:, :1].expand(-1, 5, -1),
        lambda t: torch.view_as_complex(t[..., :2].contiguous()).conj().imag,
        lambda t: torch.nn.Parameter(t),
        lambda t: t.flatten()[1:],
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_engines_read_any_layout(view, dtype):
    candidate, reference = (side.reshape(4, 6, 8) for side in spoiled(192, dtype))
    assert_same_up_to_sum_order(*both(view(candidate), view(reference)))


@cases.compiled
@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=40), st.integers(0, 3))
def test_both_engines_find_the_same_in_whole_numbers_of_any_size(numbers, shift):
    candidate = torch.tensor(numbers)
    assert_same_up_to_sum_order(*both(candidate, candidate.roll(shift)))


@cases.each_engine
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shift", [0, 1, 129, 0x7F80, 0x8000])
def test_every_pattern_of_16_bits_against_another(engine, dtype, shift):
    patterns = np.arange(2**16, dtype=np.uint16)
    sides = [torch.from_numpy(bits).view(dtype) for bits in (patterns, np.roll(patterns, shift))]
    found = compare(*sides, CompareOptions(engine=engine))
    own, other = (side.double().numpy() for side in sides)
    kept = np.isfinite(own) & np.isfinite(other)
    difference = own[kept] - other[kept]
    order = [
        np.where(bits & 0x8000, -1, 1) * (bits & 0x7FFF).astype(np.int64)
        for bits in (patterns, np.roll(patterns, shift))
    ]
    steps = np.abs(order[0] - order[1])[kept]
    assert (found.finite_elements, found.nonfinite_mismatch) == (kept.sum(), _mismatches(own, other))
    assert (found.max_abs, found.max_ulp) == (np.abs(difference).max(), steps.max())
    assert found.ulp_histogram == _histogram(steps)
    assert found.norm_candidate == pytest.approx(math.sqrt(math.fsum(own[kept] ** 2)), rel=1e-13)
    assert found.relative_l2 == pytest.approx(
        math.sqrt(math.fsum(difference**2)) / math.sqrt(math.fsum(other[kept] ** 2)), rel=1e-13
    )
    scale = np.abs(difference).mean()
    assert found.mean_abs == pytest.approx(math.fsum(np.abs(difference)) / kept.sum(), rel=1e-13)
    assert found.bias == pytest.approx(math.fsum(difference) / kept.sum(), rel=1e-12, abs=1e-14 * scale)
    close = np.abs(difference) <= 1e-5 + {torch.bfloat16: 1.6e-2, torch.float16: 1e-3}[dtype] * np.abs(other[kept])
    equal_infinities = ((own == other) & np.isinf(own)).sum()
    assert found.close_fraction == (close.sum() + equal_infinities) / 2**16
    assert [worst.abs_error for worst in found.worst] == sorted(np.abs(difference), reverse=True)[: len(found.worst)]


def _mismatches(own, other):
    kinds = [np.select([np.isnan(s), s == np.inf, s == -np.inf], [1, 2, 3], 0) for s in (own, other)]
    return (kinds[0] != kinds[1]).sum()


def _histogram(steps):
    edges = [0, *(2**k for k in range(17))]
    index = np.searchsorted(edges, steps)
    return {edges[i]: int((index == i).sum()) for i in sorted(set(index.tolist()))}


@cases.each_engine
@pytest.mark.parametrize("dtype", cases.FLOATS)
def test_the_number_of_threads_changes_no_bit(engine, dtype):
    candidate, reference = (side.reshape(23, 100, 13) for side in spoiled(29_900, dtype))
    results = {
        repr(compare(candidate, reference, CompareOptions(chunk_elements=1000, threads=threads, engine=engine)))
        for threads in (1, 2, 3, 16)
    }
    assert len(results) == 1


@cases.compiled
@pytest.mark.parametrize("threads", [1, 4])
def test_the_same_comparison_gives_the_same_bits_again(threads):
    pair = spoiled(300_000, torch.bfloat16)
    results = {repr(compare(*pair, CompareOptions(chunk_elements=2**15, threads=threads))) for _ in range(4)}
    assert len(results) == 1


@pytest.mark.parametrize("threads", [2, 5])
def test_what_is_read_ahead_is_bounded_by_the_threads(threads):
    alive, most = 0, 0

    class Slow:
        name = "slow"

        def measure(self, subject, options, start, pair, floor):
            # Whoever may read on does so meanwhile.
            time.sleep(0.02)
            return Found(WorstElements(0), elements=1)

    def freed():
        nonlocal alive
        alive -= 1

    def pieces():
        nonlocal alive, most
        for start in range(20):
            piece = torch.zeros(1)
            alive += 1
            most = max(most, alive)
            weakref.finalize(piece, freed)
            yield start, Pair(piece, piece)
            del piece

    total = Accumulator(Subject((20,), torch.float32, torch.float32), CompareOptions(), Slow())
    with ThreadPoolExecutor(threads) as pool:
        total.add_all(pieces(), pool, threads)
    assert total.total.elements == 20
    assert most <= threads + 2


def test_a_fault_in_a_thread_is_a_refusal_like_any_other():
    with pytest.raises(BadInputError, match="2\\*\\*53"):
        compare(
            torch.full((4000,), 2**60),
            torch.zeros(4000),
            CompareOptions(chunk_elements=1000, threads=2, engine="torch"),
        )


@pytest.fixture
def no_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "parity.metrics.compiled.engine", None)
    engines._compiled_engine.cache_clear()
    yield
    engines._compiled_engine.cache_clear()


def test_without_numba_torch_measures_and_the_engine_is_named(no_numba):
    assert engine_name().startswith("torch ")
    assert "compiled.engine" in engine_name()
    assert compare(torch.ones(3), torch.zeros(3)).max_abs == 1.0
    with pytest.raises(BadInputError, match="install numba"):
        compare(torch.ones(3), torch.zeros(3), CompareOptions(engine="numba"))


@cases.compiled
def test_with_numba_it_measures_what_is_on_the_cpu():
    assert engine_name().startswith("numba ")
    assert engine_name("cuda").startswith("torch ")


@pytest.mark.parametrize("choice", [{"engine": "numpy"}, {"threads": 0}])
def test_an_engine_or_a_number_of_threads_that_is_none_is_refused(choice):
    with pytest.raises(BadInputError, match=next(iter(choice))):
        CompareOptions(**choice)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", cases.FLOATS)
def test_a_cuda_tensor_compares_as_its_copy_does_and_stays_there(monkeypatch, dtype):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    candidate, reference = (side.reshape(7, 10_000) for side in spoiled(70_000, dtype))
    expected = compare(candidate.t(), reference.t(), CompareOptions(chunk_elements=3001, engine="torch"))
    left, right = candidate.cuda(), reference.cuda()
    most, cpu = [0], torch.Tensor.cpu

    def counting(tensor):
        most[0] = max(most[0], tensor.numel())
        return cpu(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", counting)
    found = compare(left.t(), right.t(), CompareOptions(chunk_elements=3001))
    assert most[0] < 1000
    assert_same_up_to_sum_order(found, expected)
    assert_same_up_to_sum_order(compare(left.t(), reference.t(), CompareOptions(chunk_elements=3001)), expected)


@cases.each_engine
def test_flags_and_whole_numbers_of_the_same_bytes_are_equal_and_not_identical(engine):
    flags = torch.tensor([True, False, True])
    found = compare(flags, flags.to(torch.uint8), CompareOptions(engine=engine))
    assert (found.max_abs, found.close_fraction, found.identical) == (0.0, 1.0, False)
