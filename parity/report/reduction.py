"""A run's results reduced to what a report keeps."""

import math
from collections.abc import Iterable
from dataclasses import replace

from parity.calibrate.band import Bands
from parity.classify import classify_forward
from parity.classify.results import taken_against
from parity.errors import BadInputError
from parity.judge import TapResult, Verdict
from parity.metrics import ErrorMap, HeadShares, TensorComparison, WorstElement
from parity.metrics.summary import QUANTILE_LEVELS
from parity.report.noise import Noise, NoiseOf
from parity.report.record import (
    AxisShare,
    Figures,
    Histograms,
    Measured,
    NonFiniteElements,
    PeerFigures,
    Report,
    ReportedCase,
    ReportedForward,
    ReportedTap,
    Subject,
)
from parity.run.maps import worst
from parity.run.record import CaseResult, ForwardResult, RunResult

# Tens of thousands of figures are stored; nobody reads a mean error to more digits than this.
FIGURE_DIGITS = 5
# Enough to tell any two float32 values apart, and for what differs from 1 by an error.
VALUE_DIGITS = 9
WORST_KEPT = 3
# The readings whose map is kept, by their identity.
Mapped = frozenset[int]


def as_report(run: RunResult | Report, bands: Bands | None = None) -> Report:
    """Reduce a run to its report, with the classes of taps where a model has bands; a report is given back as it is.

    The worst readings of the run keep their maps. Where a model has bands but none for a case, what differs there is
    incomplete. A case whose reference was recorded on another machine has no classes: its budgets allow for that
    machine, bands do not. BadInputError where the run's records contradict each other.
    """
    if isinstance(run, Report):
        return run
    taps = run.taps
    mapped = frozenset(id(taps[at]) for at in worst(taps))
    return Report(tuple(_case(case, bands, mapped) for case in run.cases), dict(run.provenance))


def significant(value: float, digits: int) -> float:
    """Round to so many significant digits; NaN (always the same object) and the infinities stay."""
    if math.isnan(value):
        return math.nan
    return float(f"{value:.{digits - 1}e}")


def _exact(value: float) -> float:
    # Records that are equal but for the identity of a NaN would otherwise compare unequal.
    return math.nan if math.isnan(value) else float(value)


def _figure(value: float) -> float:
    return significant(value, FIGURE_DIGITS)


def _case(case: CaseResult, bands: Bands | None, mapped: Mapped) -> ReportedCase:
    told = bands is not None and bands.files and not case.elsewhere
    held = bands.for_case(case.case, case.dtype, case.release) if bands is not None and told else None
    forwards = tuple(_forward(forward, held, case.dtype, mapped) for forward in case.forwards)
    return ReportedCase(case.suite, case.case, case.guards, case.dtype, forwards)


def _forward(forward: ForwardResult, bands: Bands | None, dtype: str, mapped: Mapped) -> ReportedForward:
    gains = {group: _figure(gain) for group, gain in forward.gains.items()}
    # Where all is one and the same there is no error to tell beside a band, and most passes are like that.
    told = bands is not None and not all(map(_alike, forward.taps))
    noise = NoiseOf(bands, dtype, taken_against(forward)) if bands is not None and told else None
    taps = tuple(_tap(tap, noise, id(tap) in mapped) for tap in forward.taps)
    classes = None if bands is None else classify_forward(forward, bands, dtype)
    return ReportedForward(forward.name, taps, tuple(forward.incomplete), gains, forward.blame, classes)


def _tap(tap: TapResult, noise: NoiseOf | None, mapped: bool) -> ReportedTap:
    found = tap.measurement.comparison
    subject = Subject(tuple(found.shape), found.candidate_dtype, found.reference_dtype)
    measured = None if _alike(tap) else _measured(tap, mapped)
    return ReportedTap(tap.place, tap.rule, tap.verdict, subject, measured, _noise(tap, noise))


def _alike(tap: TapResult) -> bool:
    """Say whether candidate, truth and peer are one and the same."""
    found, peer = tap.measurement.comparison, tap.measurement.peer
    return tap.verdict is Verdict.IDENTICAL and found.identical and (peer is None or peer.identical)


def _noise(tap: TapResult, noise: NoiseOf | None) -> Noise | None:
    found = None if noise is None else noise.find(tap.place.tap, tap.place.mode)
    if found is None:
        return None
    return replace(found, median=_figure(found.median), bounds=tuple(map(_figure, found.bounds)))


def _measured(tap: TapResult, mapped: bool) -> Measured:
    peer, same = tap.measurement.peer, tap.measurement.against_reference
    seen = tap.measurement.map if mapped else None
    return Measured(
        figures=_figures(tap.measurement.comparison, tap.place.tap),
        peer=None if peer is None else _peer(peer),
        same_bits=same,
        usage=_exact(tap.usage),
        bounds={gate: _exact(bound) for gate, bound in tap.bounds.items()},
        exceeded={gate: (_exact(figure), _exact(bound)) for gate, (figure, bound) in tap.exceeded.items()},
        map=None if seen is None else _map(seen),
        # Where the bits are the reference's own, its histograms are those of the figures.
        peer_histograms=None if seen is None or peer is None or same else _histograms(peer),
    )


def _map(found: ErrorMap) -> ErrorMap:
    heads = found.heads
    rounded = None if heads is None else HeadShares(heads.axis, tuple(map(_figure, heads.shares)))
    return ErrorMap(_figure(found.peak), found.cells, rounded, found.axes)


def _histograms(peer: TensorComparison) -> Histograms:
    return Histograms(dict(peer.error_histogram), dict(peer.ulp_histogram))


def _peer(peer: TensorComparison) -> PeerFigures:
    return PeerFigures(significant(peer.relative_l2, VALUE_DIGITS), significant(peer.max_abs, VALUE_DIGITS))


def _figures(found: TensorComparison, name: str) -> Figures:
    if tuple(found.quantiles) != QUANTILE_LEVELS:
        raise BadInputError(
            f"{name!r:.160}", f"quantiles at {list(found.quantiles)!r:.80}", f"{QUANTILE_LEVELS}", "compare again"
        )
    return Figures(
        relative_l2=_exact(found.relative_l2),
        max_abs=_exact(found.max_abs),
        norm_reference=_figure(found.norm_reference),
        norm_ratio=significant(found.norm_ratio, VALUE_DIGITS),
        mean_abs=_figure(found.mean_abs),
        bias=_figure(found.bias),
        cosine=significant(found.cosine, VALUE_DIGITS),
        close_fraction=_figure(found.close_fraction),
        max_ulp=found.max_ulp,
        quantiles=tuple(_figure(value) for value in found.quantiles.values()),
        error_histogram=dict(found.error_histogram),
        ulp_histogram=dict(found.ulp_histogram),
        concentration=tuple(AxisShare(at.axis, at.index, _figure(at.share)) for at in found.concentration),
        worst=_worst(found.worst[:WORST_KEPT]),
        nonfinite=_nonfinite(found),
    )


def _worst(elements: Iterable[WorstElement]) -> tuple[WorstElement, ...]:
    return tuple(
        WorstElement(
            at.coordinates,
            significant(at.candidate, VALUE_DIGITS),
            significant(at.reference, VALUE_DIGITS),
            _figure(at.abs_error),
        )
        for at in elements
    )


def _nonfinite(found: TensorComparison) -> NonFiniteElements | None:
    if found.nonfinite_first is None:
        return None
    return NonFiniteElements(found.nonfinite, found.nonfinite_mismatch, found.nonfinite_first)
