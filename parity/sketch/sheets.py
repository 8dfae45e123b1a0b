"""The comparison of two sketches in sentences and tables."""

import math
from collections import defaultdict
from statistics import median

from parity.report.numbers import count_text, counted, error_text, plain, share_text
from parity.report.sheets import Column, Sheet
from parity.report.tally import VERDICT_WORDS
from parity.sketch.compare import SketchedTap, SketchResult
from parity.sketch.estimate import Change
from parity.sketch.interval import Interval
from parity.sketch.judging import Standing
from parity.sketch.recipe import LANES

REASONS_SHOWN = 5
_ORDER = (Standing.IDENTICAL, Standing.WITHIN, Standing.UNDECIDED, Standing.OVER)
_EVEN, _NEAR = 1e-3, 0.1
_NOTE = "as estimated, with the ends of its interval at 90 % confidence; no ends where it is exact."


def verdict_line(result: SketchResult) -> str:
    """The verdict, and how the taps stand."""
    told = ", ".join(f"{count_text(len(result.standing(kind)))} {kind.value}" for kind in Standing)
    elements = sum(math.prod(tap.shape) for tap in result.taps)
    compared = f"{counted(len(result.taps), 'tap')}, {counted(elements, 'element')} compared by sketch"
    return f"{VERDICT_WORDS[result.exit_code].upper()}: {compared} ({told}, {len(result.incomplete)} not compared)"


def divergence_lines(result: SketchResult) -> tuple[str, ...]:
    """The first tap over budget and what is known of it; nothing where no tap is over."""
    over = result.standing(Standing.OVER)
    if not over:
        return ()
    where = f"{over[0].tap} ({result.suite}/{result.case}, {result.dtype})"
    return plain(where), plain("; ".join((*over[0].judged.reasons, *_sayings(over[0]))))


def open_lines(result: SketchResult) -> list[str]:
    """What is not compared or not decided, the first few of each, and what to do about it."""
    lines = [plain(reason) for reason in result.incomplete[:REASONS_SHOWN]]
    if len(result.incomplete) > REASONS_SHOWN:
        lines.append(f"and {count_text(len(result.incomplete) - REASONS_SHOWN)} more that are not compared")
    undecided = result.standing(Standing.UNDECIDED)
    lines += [
        plain(f"{tap.tap}: undecided, {'; '.join(tap.judged.reasons)}; keep tensors of this tap")
        for tap in undecided[:REASONS_SHOWN]
    ]
    if len(undecided) > REASONS_SHOWN:
        lines.append(f"and {count_text(len(undecided) - REASONS_SHOWN)} more that are undecided")
    return lines


def group_sheet(result: SketchResult) -> Sheet:
    """One row for each part of the model."""
    rows = [(plain(name), *_group(taps)) for name, taps in _groups(result).items()]
    columns = (Column("group", False), *map(Column, ("taps", "same", "within", "open", "over", "median", "worst")))
    note = f"same: identical. open: undecided. median, worst: {_NOTE}"
    return Sheet("Relative L2 by group", columns, rows, note)


def worst_sheet(result: SketchResult) -> Sheet:
    """The tap with the largest error of each part that is not identical throughout."""
    found = {name: _worst(taps) for name, taps in _groups(result).items()}
    rows = [
        (plain(tap.tap), interval_text(tap.difference.relative_l2), _close(tap))
        for tap in found.values()
        if tap.judged.standing is not Standing.IDENTICAL
    ]
    columns = (Column("worst tap", False), Column("rel L2"), Column("close"))
    return Sheet("Worst tap of each group", columns, rows, "close: share of the exact elements, and of all at 90 %.")


def tap_sheet(result: SketchResult) -> Sheet:
    """One row for each tap that is not identical, in data-path order."""
    rows = [
        (
            plain(tap.tap),
            tap.judged.standing.value,
            interval_text(tap.difference.relative_l2),
            error_text(1 - tap.difference.cosine.estimate),
            f"{tap.difference.norm_ratio:.4g}",
            _close(tap),
        )
        for tap in result.taps
        if tap.judged.standing is not Standing.IDENTICAL
    ]
    columns = (
        Column("tap", False),
        Column("standing", False),
        *map(Column, ("rel L2", "1 - cosine", "norm ratio", "close")),
    )
    return Sheet("Taps that are not identical", columns, rows, f"rel L2: {_NOTE} --json has the rest.")


def interval_text(found: Interval) -> str:
    """Give a figure with the ends of its interval, as a percentage where they are as far off on both sides."""
    if found.low == found.high:
        return error_text(found.estimate)
    below, above = found.estimate - found.low, found.high - found.estimate
    if found.estimate > 0 and abs(above - below) < _EVEN * found.estimate and above < _NEAR * found.estimate:
        return f"{error_text(found.estimate)} \N{PLUS-MINUS SIGN}{above / found.estimate:.1%}"
    return f"{error_text(found.estimate)} ({error_text(found.low)}..{error_text(found.high)})"


def _groups(result: SketchResult) -> dict[str, list[SketchedTap]]:
    groups: dict[str, list[SketchedTap]] = defaultdict(list)
    for tap in result.taps:
        groups[tap.group].append(tap)
    return groups


def _group(taps: list[SketchedTap]) -> tuple[str, ...]:
    counts = [sum(tap.judged.standing is kind for tap in taps) for kind in _ORDER]
    figures = [tap.difference.relative_l2.estimate for tap in taps]
    middle = math.nan if any(map(math.isnan, figures)) else median(figures)
    worst = interval_text(_worst(taps).difference.relative_l2)
    return (count_text(len(taps)), *map(count_text, counts), error_text(middle), worst)


def _worst(taps: list[SketchedTap]) -> SketchedTap:
    # NaN, of which nothing is known, is the worst.
    return max(taps, key=lambda tap: _rank(tap.difference.relative_l2.estimate))


def _rank(figure: float) -> float:
    return math.inf if math.isnan(figure) else figure


def _close(tap: SketchedTap) -> str:
    elements = tap.difference.elements
    if elements is None:
        return "-"
    close = elements.close
    if close.low == close.high:
        return share_text(close.estimate)
    return f"{share_text(close.estimate)} ({share_text(close.low)}..{share_text(close.high)})"


def _sayings(tap: SketchedTap) -> list[str]:
    found = tap.difference
    told = [f"relative_l2 {interval_text(found.relative_l2)}", f"norm x{found.norm_ratio:.4g}"]
    told += [f"{_close(tap)} of the elements close"] if found.elements is not None else []
    if found.channels is not None and found.channels.blocks > 1:
        first = found.channels.block * LANES
        told.append(f"most changed channels {first} to {first + LANES - 1}{_norms(found.channels)}")
    if found.positions is not None:
        at = found.positions
        told.append(f"most changed positions: range {at.block} of {at.blocks}{_norms(at)}")
    own, reference = found.nonfinite.candidate, found.nonfinite.reference
    if own.total + reference.total:
        told.append(f"not finite: {own.nan} NaN, {own.positive_inf} +inf, {own.negative_inf} -inf for "
                    f"{reference.nan}, {reference.positive_inf}, {reference.negative_inf}")  # fmt: skip
    return told


def _norms(change: Change) -> str:
    return f" (norm {change.candidate:.4g} for {change.reference:.4g})"
