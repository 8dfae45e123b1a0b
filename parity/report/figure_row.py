"""What was measured at one tap as a row of JSON values, and back."""

from collections.abc import Sequence

from parity.judge.budget import GATES
from parity.metrics import NonFinite, NonFiniteCounts, WorstElement
from parity.metrics.summary import QUANTILE_LEVELS
from parity.report.bins import ERROR_EDGES, ULP_EDGES, histogram_of, run_of
from parity.report.record import AxisShare, Figures, Measured, NonFiniteElements, PeerFigures
from parity.report.reduction import VALUE_DIGITS, significant
from parity.report.strict import Fields, each, flag, items, json_number, mapping, number, refusal, shown, whole

_PLAIN = (
    "relative_l2",
    "max_abs",
    "norm_reference",
    "norm_ratio",
    "mean_abs",
    "bias",
    "cosine",
    "close_fraction",
)
_JUDGED = ("same_bits", "usage", "bounds", "exceeded", "peer")
_DETAIL = ("max_ulp", "quantiles", "error_histogram", "ulp_histogram", "concentration", "worst", "nonfinite")
COLUMNS = (*_JUDGED, *_PLAIN, *_DETAIL)
_SAME_AS_CANDIDATE = "candidate"


def encode_measured(measured: Measured, where: str) -> list[object]:
    """Give the values of COLUMNS."""
    figures = measured.figures
    return [
        measured.same_bits,
        json_number(measured.usage),
        [json_number(measured.bounds[gate]) if gate in measured.bounds else None for gate in GATES],
        {gate: [json_number(value) for value in pair] for gate, pair in measured.exceeded.items()},
        _encode_peer(measured),
        *(json_number(getattr(figures, name)) for name in _PLAIN),
        figures.max_ulp,
        [json_number(value) for value in figures.quantiles],
        run_of(figures.error_histogram, ERROR_EDGES, where),
        run_of(figures.ulp_histogram, ULP_EDGES, where),
        [[at.axis, at.index, at.share] for at in figures.concentration],
        [_encode_worst(at) for at in figures.worst],
        _encode_nonfinite(figures.nonfinite),
    ]


def decode_measured(row: Fields, shape: Sequence[int]) -> Measured:
    """Read the values of COLUMNS; `shape` is that of the tensor, for coordinates to lie in."""
    plain = {name: row.read(name, number) for name in _PLAIN}
    figures = Figures(
        **plain,
        max_ulp=row.read("max_ulp", lambda value, where: whole(value, where, -1)),
        quantiles=row.read("quantiles", _decode_quantiles),
        error_histogram=row.read("error_histogram", lambda v, w: histogram_of(_counts(v, w), ERROR_EDGES, w)),
        ulp_histogram=row.read("ulp_histogram", lambda v, w: histogram_of(_counts(v, w), ULP_EDGES, w)),
        concentration=row.read("concentration", lambda v, w: each(v, w, lambda a, b: _decode_share(a, b, shape))),
        worst=row.read("worst", lambda v, w: each(v, w, lambda a, b: _decode_worst(a, b, shape))),
        nonfinite=row.read("nonfinite", lambda v, w: _decode_nonfinite(v, w, shape)),
    )
    return Measured(
        figures=figures,
        peer=row.read("peer", lambda v, w: _decode_peer(v, w, figures)),
        same_bits=row.read("same_bits", flag),
        usage=row.read("usage", number),
        bounds=row.read("bounds", _decode_bounds),
        exceeded=row.read("exceeded", lambda v, w: mapping(v, w, _decode_pair)),
    )


def _encode_peer(measured: Measured) -> object:
    peer, own = measured.peer, measured.figures
    if peer is None:
        return None
    if peer == _rounded_alike(own):
        return _SAME_AS_CANDIDATE
    return [json_number(peer.relative_l2), json_number(peer.max_abs)]


def _decode_peer(value: object, where: str, own: Figures) -> PeerFigures | None:
    if value is None:
        return None
    if value == _SAME_AS_CANDIDATE:
        return _rounded_alike(own)
    return PeerFigures(*_decode_pair(value, where))


def _rounded_alike(own: Figures) -> PeerFigures:
    return PeerFigures(significant(own.relative_l2, VALUE_DIGITS), significant(own.max_abs, VALUE_DIGITS))


def _decode_pair(value: object, where: str) -> tuple[float, float]:
    pair = each(value, where, number)
    if len(pair) != 2:
        raise refusal(where, f"{len(pair)} numbers", "two")
    return pair[0], pair[1]


def _decode_bounds(value: object, where: str) -> dict[str, float]:
    row = Fields.of_row(value, where, GATES)
    bounds = {gate: row.read(gate, lambda v, w: None if v is None else number(v, w)) for gate in GATES}
    return {gate: bound for gate, bound in bounds.items() if bound is not None}


def _decode_quantiles(value: object, where: str) -> tuple[float, ...]:
    quantiles = each(value, where, number)
    if len(quantiles) != len(QUANTILE_LEVELS):
        raise refusal(where, f"{len(quantiles)} quantiles", f"{len(QUANTILE_LEVELS)}")
    return quantiles


def _counts(value: object, where: str) -> list[int]:
    return list(each(value, where, whole))


def _decode_share(value: object, where: str, shape: Sequence[int]) -> AxisShare:
    row = Fields.of_row(value, where, ("axis", "index", "share"))
    found = AxisShare(row.read("axis", whole), row.read("index", whole), row.read("share", number))
    if found.axis >= len(shape) or found.index >= shape[found.axis] or not 0 < found.share <= 1:
        raise refusal(where, f"{shown(value)}", f"a share of the error within shape {tuple(shape)!r:.60}")
    return found


def _encode_worst(at: WorstElement) -> list[object]:
    return [list(at.coordinates), *(json_number(value) for value in (at.candidate, at.reference, at.abs_error))]


def _decode_worst(value: object, where: str, shape: Sequence[int]) -> WorstElement:
    row = Fields.of_row(value, where, ("coordinates", "candidate", "reference", "abs_error"))
    place = row.read("coordinates", lambda v, w: _coordinates(v, w, shape))
    return WorstElement(
        place, row.read("candidate", number), row.read("reference", number), row.read("abs_error", number)
    )


def _encode_nonfinite(found: NonFiniteElements | None) -> object:
    if found is None:
        return None
    sides = (found.counts.candidate, found.counts.reference)
    return [*([side.nan, side.positive_inf, side.negative_inf] for side in sides), found.mismatch, list(found.first)]


def _decode_nonfinite(value: object, where: str, shape: Sequence[int]) -> NonFiniteElements | None:
    if value is None:
        return None
    row = Fields.of_row(value, where, ("candidate", "reference", "mismatch", "first"))
    counts = NonFinite(row.read("candidate", _decode_kinds), row.read("reference", _decode_kinds))
    if counts.candidate.total + counts.reference.total == 0:
        raise refusal(where, "no non-finite element", "null where there is none")
    return NonFiniteElements(
        counts, row.read("mismatch", whole), row.read("first", lambda v, w: _coordinates(v, w, shape))
    )


def _decode_kinds(value: object, where: str) -> NonFiniteCounts:
    row = Fields.of_row(value, where, ("nan", "positive_inf", "negative_inf"))
    return NonFiniteCounts(row.read("nan", whole), row.read("positive_inf", whole), row.read("negative_inf", whole))


def _coordinates(value: object, where: str, shape: Sequence[int]) -> tuple[int, ...]:
    found = tuple(whole(item, where) for item in items(value, where))
    if len(found) != len(shape) or any(at >= size for at, size in zip(found, shape, strict=True)):
        raise refusal(where, f"{found!r:.60}", f"coordinates within shape {tuple(shape)!r:.60}")
    return found
