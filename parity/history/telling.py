"""What a page tells of other runs: a comparison with one, and what each reading was in all of them."""

from collections.abc import Sequence
from typing import Any

from parity.history.brief import Brief, Key, Stand, brief_of
from parity.history.compare import Change, Comparison
from parity.history.sheets import change_line, change_sheets
from parity.html.payload import sheet_value
from parity.judge import Verdict
from parity.report import Report
from parity.report.strict import json_number

# Beyond these a page would grow past what a browser opens at once; the oldest runs and smallest changes go first.
MOST_DIFFERENCES = 60_000
MOST_ERRORS = 5_000
_VERDICTS = tuple(verdict.value for verdict in Verdict)


def comparison_entry(found: Comparison, names: tuple[str, str]) -> dict[str, Any]:
    """Give what the page shows of a comparison; `names` say what the runs before and after are."""
    tables = change_sheets(found)
    changed = [
        (key, earlier.error, stand.error)
        for key, stand in found.after.stands.items()
        if (earlier := found.before.stands.get(key)) is not None and earlier.error != stand.error
    ]
    shown = changed[:MOST_ERRORS]
    return {
        "title": f"{names[0]}{_at(found.before)}, then {names[1]}{_at(found.after)}",
        "verdict": change_line(found),
        "exit_code": int(found.exit_code),
        "sheets": [sheet_value(sheet) for sheet, _ in tables],
        "links": [[_place(change) for change in changes] for _, changes in tables],
        "errors": {
            "taps": [key.tap for key, _, _ in shown],
            "before": [json_number(error) for _, error, _ in shown],
            "after": [json_number(error) for _, _, error in shown],
            "shown": len(shown),
            "changed": len(changed),
        },
    }


def history_entry(run: Report | Brief, earlier: Sequence[Brief]) -> dict[str, Any]:
    """Give what the page shows of earlier runs, oldest first.

    Each run has only what differs from the next: [reading, error, verdict], an error of null where it has no such
    reading. So the history of a port that did not change is a few bytes.
    """
    own = brief_of(run) if isinstance(run, Report) else run
    runs = list(earlier)
    if runs and (runs[-1].stands, runs[-1].provenance) == (own.stands, own.provenance):
        runs.pop()
    later, keys = own.stands, list(own.stands)
    told: list[dict[str, Any]] = []
    left = MOST_DIFFERENCES
    for run in reversed(runs):
        differs = [
            _difference(at, run.stands.get(key)) for at, key in enumerate(keys) if _differ(key, run.stands, later)
        ]
        left -= len(differs)
        if left < 0:
            break
        told.insert(0, {"when": run.when or "a run", "verdict": run.verdict_line, "differs": differs})
        later = run.stands
    return {"runs": told, "left_out": len(runs) - len(told)}


def _at(brief: Brief) -> str:
    return f" of {brief.when}" if brief.when else ""


def _place(change: Change | None) -> dict[str, str] | None:
    if change is None or change.after is None:
        return None
    home = change.key.home
    return {
        "s": home.suite,
        "c": home.case,
        "d": home.dtype,
        "p": home.forward,
        "t": change.key.tap,
        "m": change.key.mode,
    }


def _differ(key: Key, one: Any, other: Any) -> bool:
    before, after = one.get(key), other.get(key)
    return (before is None) != (after is None) or (
        before is not None and (before.error, before.verdict) != (after.error, after.verdict)
    )


def _difference(at: int, stand: Stand | None) -> list[Any]:
    return [at, None, None] if stand is None else [at, json_number(stand.error), _VERDICTS.index(stand.verdict)]
