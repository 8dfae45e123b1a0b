"""Two runs side by side: what got worse, what got better, what is no longer there."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from parity.errors import ExitCode
from parity.history.brief import Brief, Key, Pass, Stand
from parity.judge import Verdict
from parity.report.record import CHAINED

# Errors differ by some tenths from one processor to the next; what doubles is no longer that.
FACTOR = 2.0
_SEVERITY = {verdict.value: at for at, verdict in enumerate((Verdict.IDENTICAL, Verdict.WITHIN, Verdict.OVER))}


class Kind(Enum):
    """How a reading changed."""

    WORSE = "worse verdict"
    NEW_OVER = "new, and over budget"
    GREW = "larger error"
    LOST = "no longer read"
    BETTER = "better verdict"
    SHRANK = "smaller error"
    ADDED = "new"


REGRESSIONS = (Kind.WORSE, Kind.NEW_OVER, Kind.GREW)
IMPROVEMENTS = (Kind.BETTER, Kind.SHRANK)


@dataclass(frozen=True, slots=True)
class Change:
    """A reading that changed; None where a run has it not."""

    kind: Kind
    key: Key
    before: Stand | None
    after: Stand | None

    @property
    def ratio(self) -> float:
        """The error after over that before; infinite where it was 0, and where it is no number."""
        if self.before is None or self.after is None:
            return math.nan
        return _ratio(self.before.error, self.after.error)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from one run to another, in the order of the later; `uncompared` are reasons that are new."""

    before: Brief
    after: Brief
    factor: float
    changes: tuple[Change, ...]
    uncompared: tuple[tuple[Pass, str], ...]

    def of(self, *kinds: Kind) -> list[Change]:
        """Give the changes of these kinds."""
        return [change for change in self.changes if change.kind in kinds]

    @property
    def same(self) -> int:
        """How many readings stand as before: the verdict, and the error up to the factor."""
        return len(self.before.stands.keys() & self.after.stands.keys()) - len(
            [change for change in self.changes if change.before is not None and change.after is not None]
        )

    @property
    def exit_code(self) -> ExitCode:
        """Over budget where something got worse; incomplete where something is no longer there to compare."""
        if self.of(*REGRESSIONS):
            return ExitCode.OVER_BUDGET
        return ExitCode.INCOMPLETE if self.uncompared or self.of(Kind.LOST) else ExitCode.WITHIN_BUDGET


def compare_runs(before: Brief, after: Brief, factor: float = FACTOR, common: bool = False) -> Comparison:
    """Compare two runs; an error that grew by more than `factor` is worse. `common`: only passes that both have."""
    shared = {key.home for key in before.stands} & {key.home for key in after.stands}
    changes = [change for change in _changes(before, after, factor) if not common or change.key.home in shared]
    known = set(before.incomplete)
    reasons = [one for one in after.incomplete if one not in known and (not common or one[0] in shared)]
    return Comparison(before, after, factor, tuple(changes), tuple(reasons))


def _changes(before: Brief, after: Brief, factor: float) -> Iterator[Change]:
    for key, stand in after.stands.items():
        earlier = before.stands.get(key)
        kind = _new(stand) if earlier is None else _kind(earlier, stand, factor)
        if kind is not None:
            yield Change(kind, key, earlier, stand)
    unforced = _all_identical(after.stands)
    for key, stand in before.stands.items():
        # A pass with the reference's bits throughout is not run in the forced modes.
        if key not in after.stands and (key.mode == CHAINED or key.home not in unforced):
            yield Change(Kind.LOST, key, stand, None)


def _new(stand: Stand) -> Kind:
    return Kind.NEW_OVER if stand.verdict == Verdict.OVER.value else Kind.ADDED


def _kind(before: Stand, after: Stand, factor: float) -> Kind | None:
    step = _SEVERITY[after.verdict] - _SEVERITY[before.verdict]
    if step:
        return Kind.WORSE if step > 0 else Kind.BETTER
    if _ratio(before.error, after.error) > factor:
        return Kind.GREW
    return Kind.SHRANK if _ratio(after.error, before.error) > factor else None


def _ratio(before: float, after: float) -> float:
    if math.isnan(after) or math.isnan(before):
        return 1.0 if math.isnan(before) else math.inf
    if before == after:
        return 1.0
    return after / before if before and math.isfinite(before) else math.inf if after > before else 0.0


def _all_identical(stands: Mapping[Key, Stand]) -> set[Pass]:
    verdicts: dict[Pass, set[str]] = {}
    for key, stand in stands.items():
        verdicts.setdefault(key.home, set()).add(stand.verdict if key.mode == CHAINED else Verdict.OVER.value)
    return {home for home, found in verdicts.items() if found == {Verdict.IDENTICAL.value}}
