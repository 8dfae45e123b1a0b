"""Fingerprints: every figure against plain float64, by compiled code and by torch alone."""

import json
import math

import metrics_cases as cases
import pytest
import torch
from hypothesis import given, settings

from parity.errors import BadInputError
from parity.metrics import ERROR_BINS, Fingerprint, Fingerprints, codec, fingerprints
from parity.metrics.exactness import SUPPORTED
from parity.metrics.fingerprint import SIGN_TILE, signs, tile_signs

MAKERS = [pytest.param(fingerprints, id="quickest"), pytest.param(Fingerprints, id="torch")]
each_maker = pytest.mark.parametrize("make", MAKERS)


def taken(make, tensor):
    book = make()
    book.add("tap", tensor)
    return book.finish()["tap"]


def assert_agrees(found, tensor):
    values = [float(value) for value in tensor.detach().resolve_neg().flatten().tolist()]
    finite = [value for value in values if math.isfinite(value)]
    kinds = (sum(map(math.isnan, values)), values.count(math.inf), values.count(-math.inf))
    assert (found.nonfinite.nan, found.nonfinite.positive_inf, found.nonfinite.negative_inf) == kinds
    assert (found.elements, found.shape, found.dtype) == (len(values), tuple(tensor.shape), str(tensor.dtype)[6:])
    assert found.sizes == _bins(finite)
    if not finite:
        assert math.isnan(found.least)
        assert all(math.isnan(moment) for moment in found.moments)
        return
    assert (found.least, found.most) == (min(finite), max(finite))
    absolute = math.fsum(map(abs, finite))
    assert found.l1 == pytest.approx(absolute, rel=1e-12)
    assert found.l2 == pytest.approx(math.sqrt(math.fsum(value**2 for value in finite)), rel=1e-12)
    for power, moment in enumerate(found.moments, 1):
        scale = math.fsum(abs(value) ** power for value in finite) / len(finite)
        exact = math.fsum(value**power for value in finite) / len(finite)
        assert moment == pytest.approx(exact, rel=1e-12, abs=1e-12 * scale)
    for k, projection in enumerate(found.projections):
        exact = math.fsum(_sign(k, i) * value for i, value in enumerate(values) if math.isfinite(value))
        assert projection == pytest.approx(exact, rel=1e-12, abs=1e-12 * absolute)


def _sign(k, i):
    return signs()[k, i % SIGN_TILE] * tile_signs(i // SIGN_TILE + 1)[-1, k]


def _bins(values):
    found = {}
    for value in values:
        edge = next(edge for edge in ERROR_BINS.upper_edges if abs(value) <= edge)
        found[edge] = found.get(edge, 0) + 1
    return dict(sorted(found.items()))


moderate = cases.ordinary | cases.st.sampled_from((0.0, -0.0, 1e-45, 6e-8, 9.2e-41, 65504.0))


@each_maker
@settings(deadline=None)
@given(pair=cases.pairs(values=moderate))
def test_every_figure_agrees_with_plain_arithmetic(make, pair):
    assert_agrees(taken(make, pair[0]), pair[0])


@each_maker
@pytest.mark.parametrize("size", [0, 1, 3, SIGN_TILE - 1, SIGN_TILE, SIGN_TILE + 1, 3 * SIGN_TILE + 5])
def test_at_every_end_of_a_tile(make, size):
    values = torch.randn(size, generator=torch.Generator().manual_seed(size))
    values[::97] = math.nan
    values[1::97] = -math.inf
    for dtype in cases.FLOATS:
        assert_agrees(taken(make, values.to(dtype)), values.to(dtype))


@each_maker
@pytest.mark.parametrize("dtype", sorted(SUPPORTED, key=str))
def test_in_every_dtype_and_layout(make, dtype):
    values = torch.arange(-20, 40).reshape(3, 4, 5).to(dtype)
    for view in (values, values.transpose(0, 2), values[:, ::2], values[1, 2, 3], values[:, :1].expand(-1, 4, -1)):
        assert_agrees(taken(make, view), view)


@each_maker
def test_a_lazy_sign_is_not_lost(make):
    values = torch.view_as_complex(torch.randn(20, 2)).conj().imag
    assert values.is_neg()
    assert_agrees(taken(make, values), values)


@each_maker
def test_many_tensors_keep_their_own_figures_in_order(make):
    book = make()
    for i in range(300):
        book.add(f"tap{i}", torch.full((i + 1,), float(i)))
    found = book.finish()
    assert list(found) == [f"tap{i}" for i in range(300)]
    assert [entry.most for entry in found.values()] == list(range(300))
    assert [sum(entry.sizes.values()) for entry in found.values()] == list(range(1, 301))


@each_maker
def test_the_mean_square_of_projections_is_the_square_of_the_distance(make):
    generator = torch.Generator().manual_seed(3)
    squares, distances = [], []
    for _ in range(60):
        left, right = (torch.randn(3000, generator=generator) for _ in range(2))
        pairs = zip(taken(make, left).projections, taken(make, right).projections, strict=True)
        squares += [(a - b) ** 2 for a, b in pairs]
        distances.append(float((left - right).double().square().sum()))
    # 240 draws of a chi-square: the mean is within a third of the truth by more than three deviations.
    assert sum(squares) / len(squares) == pytest.approx(sum(distances) / len(distances), rel=0.33)


@each_maker
@pytest.mark.parametrize(
    "tensor", [torch.ones(2, dtype=torch.complex64), torch.ones(2).to_sparse(), torch.ones(2, device="meta")]
)
def test_what_has_no_elements_to_read_is_refused_by_name(make, tensor):
    with pytest.raises(BadInputError):
        make().add("block.3", tensor)


@each_maker
@settings(deadline=None)
@given(pair=cases.pairs())
def test_a_record_survives_strict_json(make, pair):
    found = taken(make, pair[0])
    text = json.dumps(codec.encode(found), allow_nan=False)
    assert repr(Fingerprint.from_json(json.loads(text), "tap")) == repr(found)


@pytest.mark.parametrize(
    ("field", "value"),
    [("elements", 7), ("sizes", {"0.0": 3}), ("moments", [1.0]), ("projections", []), ("shape", [5])],
)
def test_a_record_that_contradicts_itself_is_refused(field, value):
    written = codec.encode(taken(fingerprints, torch.ones(2, 3)))
    with pytest.raises(BadInputError, match="contradicting"):
        Fingerprint.from_json(written | {field: value}, "tap")


@pytest.mark.gpu
def test_a_cuda_tensor_has_the_fingerprint_of_its_copy():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    values = torch.randn(33, 1000).t()
    assert_agrees(taken(fingerprints, values.cuda()), values)
