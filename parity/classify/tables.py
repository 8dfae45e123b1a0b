"""Classes of a member of an ensemble, from its table of readings."""

from collections.abc import Sequence

from parity.calibrate.band import Bands
from parity.calibrate.ensemble import Table
from parity.calibrate.reading import AGAINST, COLUMNS, FIGURES, REFERENCE, Reading
from parity.classify.decide import Seen, classify
from parity.classify.held import Measure
from parity.classify.record import Classified
from parity.run.forward import Forward, Mode


def classify_table(
    passes: Sequence[Forward], table: Table, bands: Bands, dtype: str, against: str
) -> tuple[Classified, ...]:
    """Give the class of every tap of a case's passes, from readings in every mode (see `Yardstick.measure`)."""
    found: list[Classified] = []
    at = 0
    for one in passes:
        taps = list(one.plan)
        seen = [
            Seen(tap.name, tap.group, _readings(table[:, at + number], AGAINST.index(against)))
            for number, tap in enumerate(taps)
        ]
        found += classify(seen, Measure(bands, dtype, against), {})
        at += len(taps)
    return tuple(found)


def _readings(table: Table, against: int) -> dict[str, Reading]:
    return {mode.value: _reading(table[number], against) for number, mode in enumerate(Mode)}


def _reading(read: Table, against: int) -> Reading:
    relative_l2, max_abs, *shares = (float(value) for value in read[against])
    assert len(shares) == len(COLUMNS) - len(FIGURES)
    # No error against the reference anywhere: its own numbers.
    same = not read[AGAINST.index(REFERENCE)].any()
    return Reading(relative_l2, max_abs, tuple(shares), same)
