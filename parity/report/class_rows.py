"""The classes of a pass as rows of JSON values, and back; taps without a row are identical."""

from collections.abc import Sequence

from parity.classify import Class, Classified
from parity.classify.evidence import identical
from parity.report.record import ReportedForward, ReportedTap
from parity.report.strict import Fields, each, refusal, text

COLUMNS = ("tap", "class", "evidence", "behind")
KINDS = tuple(kind.value for kind in Class)


def encode(forward: ReportedForward) -> list[list[object]] | None:
    """Give a row of COLUMNS for each tap that is not identical; None where the case is not calibrated."""
    if forward.classes is None:
        return None
    return [
        [found.tap, KINDS.index(found.kind.value), found.evidence, found.behind]
        for found in forward.classes
        if found.kind is not Class.IDENTICAL
    ]


def decode(value: object, where: str, taps: Sequence[ReportedTap], incomplete: int) -> tuple[Classified, ...] | None:
    """Read what `encode` gave for a pass of these taps, with so many reasons why something was not compared."""
    if value is None:
        return None
    modes: dict[str, list[str]] = {}
    for tap in taps:
        modes.setdefault(tap.place.tap, []).append(tap.place.mode)
    rows = each(value, where, _row)
    # What was not compared in one mode may have been judged in another, so that only the order tells them apart.
    judged = rows[: len(rows) - incomplete]
    told = {row.tap: row for row in judged}
    if len(told) != len(judged) or not told.keys() <= modes.keys():
        raise refusal(where, "two classes of one tap, or one of an unknown tap", "one for each judged tap")
    found = [told.get(tap) or Classified(tap, Class.IDENTICAL, identical(run)) for tap, run in modes.items()]
    return (*found, *rows[len(judged) :])


def _row(value: object, where: str) -> Classified:
    row = Fields.of_row(value, where, COLUMNS)
    kind = Class(row.pick("class", KINDS))
    if kind is Class.IDENTICAL:
        raise refusal(where, "a row of an identical tap", "none")
    return Classified(row.read("tap", text), kind, row.read("evidence", text), row.read("behind", _optional))


def _optional(value: object, where: str) -> str | None:
    return None if value is None else text(value, where)
