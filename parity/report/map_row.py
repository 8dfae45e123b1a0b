"""What is told of the worst readings of a pass alone, as rows of JSON values, and back."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from parity.metrics import ErrorMap, HeadAxis, HeadShares, grid
from parity.metrics.error_map import LETTERS, NOTHING, STEPS
from parity.report.bins import ERROR_EDGES, ULP_EDGES, histogram_of, run_of
from parity.report.record import Histograms, Measured, ReportedTap
from parity.report.strict import Fields, each, items, json_number, number, refusal, shown, text, whole

COLUMNS = ("result", "peak", "cells", "heads", "axes", "peer_errors", "peer_distances")
_LARGEST = LETTERS[0]
# Letters are up to half a step off, and figures are rounded.
_OFF = 1.1
_SUM_OFF = 1e-3


def encode(taps: Sequence[ReportedTap]) -> list[list[object]]:
    """Give a row of COLUMNS for each reading that has a map."""
    found = ((at, tap.place.tap, tap.measured) for at, tap in enumerate(taps) if tap.measured is not None)
    return [_row(at, name, measured, measured.map) for at, name, measured in found if measured.map is not None]


def decode(value: object, where: str, taps: Sequence[ReportedTap]) -> tuple[ReportedTap, ...]:
    """Read what `encode` gave, and give the taps with it; BadInputError for what does not fit them."""
    found = list(taps)
    rows = items(value, where)
    places = [_read(row, f"{where}[{number}]", found) for number, row in enumerate(rows)]
    if any(at >= later for at, later in pairwise(places)):
        raise refusal(where, "a reading twice, or out of order", "each once, in the order of the results")
    return tuple(found)


def _row(at: int, name: str, measured: Measured, seen: ErrorMap) -> list[object]:
    heads = None if seen.heads is None else [seen.heads.axis, *seen.heads.shares]
    peer = measured.peer_histograms
    runs = (
        (None, None) if peer is None else (run_of(peer.errors, ERROR_EDGES, name), run_of(peer.ulps, ULP_EDGES, name))
    )
    return [at, json_number(seen.peak), seen.cells, heads, list(seen.axes), *runs]


def _read(value: object, where: str, taps: list[ReportedTap]) -> int:
    row = Fields.of_row(value, where, COLUMNS)
    at = row.read("result", whole)
    measured = taps[at].measured if at < len(taps) else None
    if measured is None:
        raise refusal(f"{where}.result", f"{at!r:.40}", "the position of a measured result")
    shape = taps[at].subject.shape
    seen = ErrorMap(
        peak=row.read("peak", _peak),
        cells=row.read("cells", lambda v, w: _cells(v, w, shape)),
        heads=row.read("heads", lambda v, w: _heads(v, w, shape)),
        axes=row.read("axes", lambda v, w: _axes(v, w, len(shape))),
    )
    _require_the_error(seen, measured, where)
    peer = _peer(row, taps[at].elements)
    if (peer is None) == (measured.peer is not None and not measured.same_bits):
        raise refusal(f"{where}.peer_errors", shown(peer), "histograms where a peer has other bits, and only there")
    taps[at] = replace(taps[at], measured=replace(measured, map=seen, peer_histograms=peer))
    return at


def _peak(value: object, where: str) -> float:
    found = number(value, where)
    if not 0 < found < math.inf:
        raise refusal(where, shown(value), "a finite number above 0")
    return found


def _cells(value: object, where: str, shape: Sequence[int]) -> str:
    found, cells = text(value, where), grid(shape)
    count = cells.row_cells * cells.column_cells if cells else 0
    if len(found) != count or set(found) - {*LETTERS, NOTHING} or _LARGEST not in found:
        expected = f"{count} letters of {LETTERS}{NOTHING}, the largest {_LARGEST}"
        raise refusal(where, f"{len(found)} letters, {found!r:.40}", expected)
    return found


def _heads(value: object, where: str, shape: Sequence[int]) -> HeadShares | None:
    if value is None:
        return None
    parts = items(value, where)
    if not parts:
        raise refusal(where, "an empty list", "null, or an axis and the share of each head")
    axis, shares = whole(parts[0], where), tuple(number(part, where) for part in parts[1:])
    total = sum(shares)
    fits = HeadAxis(axis, len(shares)).fits(shape) and all(share >= 0 for share in shares)
    if not (fits and abs(total - 1) <= _SUM_OFF):
        got = f"{len(shares)} shares of {total:.4g} in all"
        raise refusal(where, got, f"an axis of shape {tuple(shape)!r:.60}, and shares of 1 in all")
    return HeadShares(axis, shares)


def _axes(value: object, where: str, rank: int) -> tuple[str, ...]:
    found = each(value, where, text)
    if len(found) not in (0, rank):
        raise refusal(where, f"{len(found)} names", f"none, or one for each of {rank} axes")
    return found


def _require_the_error(seen: ErrorMap, measured: Measured, where: str) -> None:
    """Refuse a map whose cells come to another error than the reading's own."""
    roots = (2.0 ** (-LETTERS.index(letter) / STEPS) for letter in seen.cells if letter != NOTHING)
    total = seen.peak * math.sqrt(sum(root * root for root in roots))
    error = measured.figures.relative_l2 * measured.figures.norm_reference
    if math.isfinite(error) and error > 0 and not error / _OFF <= total <= error * _OFF:
        raise refusal(f"{where}.cells", f"an error of {total:.4g}", f"the reading's own, {error:.4g}")


def _peer(row: Fields, elements: int) -> Histograms | None:
    errors = row.read("peer_errors", lambda v, w: None if v is None else histogram_of(_counts(v, w), ERROR_EDGES, w))
    ulps = row.read("peer_distances", lambda v, w: None if v is None else histogram_of(_counts(v, w), ULP_EDGES, w))
    if errors is None and ulps is None:
        return None
    counts = [None if found is None else sum(found.values()) for found in (errors, ulps)]
    if errors is None or ulps is None or counts[0] != counts[1] or sum(errors.values()) > elements:
        raise refusal(f"{row.where}.peer_errors", f"{counts} elements", f"twice the same, at most {elements}")
    return Histograms(errors, ulps)


def _counts(value: object, where: str) -> list[int]:
    return list(each(value, where, whole))
