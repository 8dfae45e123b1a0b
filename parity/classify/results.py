"""Classes of a judged pass."""

from collections.abc import Iterable

from parity.calibrate.band import Bands
from parity.calibrate.reading import REFERENCE, TRUTH, Reading, columns
from parity.classify.decide import Seen, classify
from parity.classify.held import Measure
from parity.classify.record import Class, Classified
from parity.judge import TapResult
from parity.run.record import ForwardResult


def classify_forward(forward: ForwardResult, bands: Bands, dtype: str) -> tuple[Classified, ...]:
    """Give the class of every tap of a pass, in data-path order, and of whatever could not be compared.

    Errors of a pass whose reference has a peer are errors against a wider truth; of any other, against the reference.
    """
    taps: dict[str, list[TapResult]] = {}
    for result in forward.taps:
        taps.setdefault(result.place.tap, []).append(result)
    measure = Measure(bands, dtype, taken_against(forward))
    found = classify([_seen(tap, results) for tap, results in taps.items()], measure, forward.gains)
    return (*found, *_not_compared(forward.incomplete))


def taken_against(forward: ForwardResult) -> str:
    """Say what the errors of a pass are taken against: a wider truth where the reference has an error of its own."""
    return TRUTH if any(result.measurement.peer is not None for result in forward.taps) else REFERENCE


def _seen(tap: str, results: Iterable[TapResult]) -> Seen:
    listed = list(results)
    return Seen(tap, listed[0].place.group, {result.place.mode: reading_of(result) for result in listed})


def reading_of(result: TapResult) -> Reading:
    """Give the reading of a judged tap."""
    found = result.measurement.comparison
    relative_l2, max_abs, *shares = columns(found)
    comparable = found.elements > 0 and not found.has_nonfinite
    return Reading(relative_l2, max_abs, tuple(shares), result.measurement.against_reference and comparable)


def _not_compared(reasons: Iterable[str]) -> list[Classified]:
    return [Classified(reason.partition(":")[0], Class.INCOMPLETE, reason) for reason in reasons]
