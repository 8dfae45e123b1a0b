"""The class of each tap of one pass, from what was read of it in every mode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parity.calibrate.reading import Reading
from parity.classify import evidence
from parity.classify.held import Measure
from parity.classify.record import Class, Classified
from parity.errors import IncompleteError
from parity.run.forward import Mode

CHAINED, ISOLATED = TELLING = Mode.CHAINED.value, Mode.ISOLATED.value


@dataclass(frozen=True)
class Seen:
    """What was read of a tap in each mode that was run, and the group that it reports to."""

    tap: str
    group: str
    readings: Mapping[str, Reading]


def classify(seen: Sequence[Seen], measure: Measure, gains: Mapping[str, float]) -> tuple[Classified, ...]:
    """Give the class of every tap, in the order of the data path; taps before one count as upstream of it.

    The modes that tell are chained and isolated. A tap that was not read in the isolated mode is incomplete where it
    has more than noise: whether the error was made there cannot be told. BadInputError where a tap has two bands.
    """
    found: list[Classified] = []
    upstream = _Upstream(gains)
    for tap in seen:
        found.append(_class_of(tap, measure, upstream))
        upstream.take(tap, found[-1])
    return tuple(found)


class _Upstream:
    """What is known of the taps before one."""

    def __init__(self, gains: Mapping[str, float]):
        self._gains = gains
        self.bug: str | None = None
        self.unknown: str | None = None
        self.taps = 0
        self.groups: dict[str, None] = {}

    def take(self, tap: Seen, found: Classified) -> None:
        """Count a tap as upstream from now on."""
        self.taps += 1
        self.groups[tap.group] = None
        if found.kind is Class.BUG and self.bug is None:
            self.bug = found.tap
        if found.kind is Class.INCOMPLETE and self.unknown is None:
            self.unknown = found.tap

    @property
    def gains(self) -> dict[str, float]:
        """The gain of each block that the error went through."""
        return {group: self._gains[group] for group in self.groups if group in self._gains}


def _class_of(tap: Seen, measure: Measure, upstream: _Upstream) -> Classified:
    if not tap.readings:
        return Classified(tap.tap, Class.INCOMPLETE, evidence.nothing_read())
    if all(reading.same for reading in tap.readings.values()):
        return Classified(tap.tap, Class.IDENTICAL, evidence.identical(tap.readings))
    try:
        held = {mode: measure.held(tap.tap, mode, reading) for mode, reading in tap.readings.items()}
    except IncompleteError as error:
        return Classified(tap.tap, Class.INCOMPLETE, evidence.no_band(error))
    isolated = held.get(ISOLATED)
    if isolated is not None and isolated.beyond:
        return Classified(tap.tap, Class.BUG, evidence.bug(isolated))
    accumulated = held.get(CHAINED)
    if isolated is None and accumulated is None:
        return Classified(tap.tap, Class.INCOMPLETE, evidence.nothing_read())
    # Blocks fed the reference's inputs say nothing more: what else they are fed, implementations may take in elsewhere.
    if accumulated is None or not accumulated.beyond:
        return Classified(tap.tap, Class.WITHIN_NOISE, evidence.within([held[m] for m in TELLING if m in held]))
    if isolated is None:
        return Classified(tap.tap, Class.INCOMPLETE, evidence.not_isolated(accumulated))
    # The bug is called so where it is made alone: what it sends on is found again at every tap behind it.
    if upstream.bug is not None:
        told = evidence.behind(accumulated, isolated, upstream.bug)
        return Classified(tap.tap, Class.DRIFT, told, upstream.bug)
    if upstream.unknown is not None:
        return Classified(tap.tap, Class.INCOMPLETE, evidence.unknown_upstream(accumulated, upstream.unknown))
    told = evidence.drift(accumulated, isolated, upstream.taps, {**upstream.gains})
    return Classified(tap.tap, Class.DRIFT, told)
