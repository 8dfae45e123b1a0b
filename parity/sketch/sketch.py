"""A whole sketch: rows, and which tap shows which."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from parity.errors import IncompleteError
from parity.sketch.recipe import Recipe
from parity.sketch.row import Row
from parity.store import Manifest


@dataclass(frozen=True)
class Sketch:
    """What a run showed. `taps` maps each tap, in the order reached, to the number of its row: equal tensors share one.

    `sums`: the precision that buckets were added up in, float64 or float32. `patterns`: which taps were asked for.
    """

    manifest: Manifest
    recipe: Recipe
    sums: str
    patterns: tuple[str, ...]
    rows: Sequence[Row]
    taps: Mapping[str, int]

    def row(self, tap: str) -> Row:
        """Give what is kept of a tap; IncompleteError where it is not in the sketch."""
        if tap not in self.taps:
            raise IncompleteError(tap, "not in the sketch", "every tap sketched", "capture it again with this tap")
        return self.rows[self.taps[tap]]


@dataclass
class Book:
    """Rows and taps as they come in."""

    rows: list[Row] = field(default_factory=list)
    taps: dict[str, int] = field(default_factory=dict)
    _found: dict[bytes, int] = field(default_factory=dict)

    def add(self, named: Iterable[tuple[str, Row]]) -> None:
        """Take rows in by the names of their taps; a row that is there already is only referred to."""
        for name, row in named:
            if name in self.taps:
                raise IncompleteError(name, "seen twice", "once", "give the passes different scopes")
            number = self._found.setdefault(row.digest, len(self.rows))
            if number == len(self.rows):
                self.rows.append(row)
            self.taps[name] = number
