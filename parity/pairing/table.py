"""The drift table of one comparison, as plain text for the report of a failing test."""

from collections.abc import Sequence

from parity.judge import TapResult, Verdict
from parity.run.record import RunResult

_TITLES = ("tap", "relative L2", "max abs", "ULP max", "bound", "verdict")
_ROWS = 40


def drift_table(result: RunResult) -> str:
    """Give a line with the verdict, what could not be compared, then the taps: those over budget come first.

    Within each half the order is that of the data path, so the first row is where the two modules part.
    """
    over = [tap for tap in result.taps if tap.verdict is Verdict.OVER]
    rest = [tap for tap in result.taps if tap.verdict is not Verdict.OVER]
    lines = [_headline(result, over), *(f"not compared: {reason}" for reason in result.incomplete)]
    taps = [*over, *rest]
    if taps:
        lines += _aligned([_TITLES, *(_row(tap) for tap in taps[:_ROWS])])
    if len(taps) > _ROWS:
        lines.append(f"... and {len(taps) - _ROWS} more taps")
    return "\n".join(lines)


def _headline(result: RunResult, over: Sequence[TapResult]) -> str:
    counted = f"{len(over)} of {len(result.taps)} taps over budget"
    if over:
        place = over[0].place
        return f"parity: first divergence at {_shown(place.tap)} ({place.mode}); {counted}"
    return f"parity: {'incomplete' if result.incomplete else 'within budget'}; {counted}"


def _row(tap: TapResult) -> tuple[str, ...]:
    found = tap.measurement.comparison
    bounds = ", ".join(f"{gate} <= {bound:.2g}" for gate, bound in tap.bounds.items()) or tap.rule.value
    broken = f" ({', '.join(tap.exceeded)})" if tap.exceeded else ""
    figures = (f"{found.relative_l2:.2e}", f"{found.max_abs:.2e}", str(found.max_ulp))
    return (_shown(tap.place.tap), *figures, bounds, f"{tap.verdict.value}{broken}")


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
