"""`ltx-parity faults`: every known fault, planted in a correct port, and what is found of it."""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from parity.binding import CampaignRequest, load_binding
from parity.blame import FaultOutcome, Totals
from parity.cli.options import commas, positive
from parity.cli.screen import Screen
from parity.errors import ExitCode
from parity.report.blame_row import encode_blame


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "faults",
        help="plant every known fault, and say what is found",
        description="Plant known faults one by one in a correct port: detected, named, and hinted at, or not.",
    )
    parser.add_argument("--stage", type=commas, default=(), help="stages, separated by commas (default: all)")
    parser.add_argument("--fault", type=commas, default=(), metavar="IDS",
                        help="faults, separated by commas (default: all)")  # fmt: skip
    parser.add_argument("--jobs", type=positive, default=1, help="processes that share the work (default: 1)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Plant, tell, and give 0 where every fault is detected, else 1."""
    request = CampaignRequest(arguments.stage, arguments.fault, arguments.jobs)
    with screen.progress() as progress:
        outcomes = load_binding(arguments.model).campaign(request, progress)
    totals = Totals.of(outcomes)
    if arguments.json:
        screen.json(_document(outcomes, totals))
    else:
        for line in _lines(outcomes, totals):
            screen.line(line)
    return ExitCode.WITHIN_BUDGET if totals.detected == totals.faults else ExitCode.OVER_BUDGET


def _document(outcomes: Sequence[FaultOutcome], totals: Totals) -> dict[str, Any]:
    faults = [
        {
            "id": outcome.id,
            "stage": outcome.stage,
            "wrong": outcome.wrong,
            "expected": {"tap": outcome.expected_tap, "hints": [str(hint) for hint in outcome.expected_hints]},
            "detected": outcome.detected,
            "named": outcome.named,
            "hinted": outcome.hinted,
            "blame": None if outcome.blame is None else encode_blame(outcome.blame),
            "incomplete": list(outcome.incomplete),
            "seconds": round(outcome.seconds, 3),
        }
        for outcome in outcomes
    ]
    return {"totals": dataclasses.asdict(totals), "faults": faults}


def _lines(outcomes: Sequence[FaultOutcome], totals: Totals) -> Iterator[str]:
    width = max(len(outcome.id) for outcome in outcomes)
    yield f"{'fault':<{width}} found tap   hint   seconds  what is wrong, and what is blamed"
    for outcome in outcomes:
        yield (
            f"{outcome.id:<{width}} {'yes' if outcome.detected else 'NO':<5} {_tap_word(outcome):<5} "
            f"{_hint_word(outcome):<6} {outcome.seconds:7.2f}  {outcome.wrong}"
        )
        if outcome.blame is not None:
            yield f"{'':<{width}}   {outcome.blame.tap}: {outcome.blame.sentence}"
    yield ""
    for count, what in (
        (totals.detected, "detected: a tap is over its budget"),
        (totals.named, "blamed at the faulty module's tap"),
        (totals.hinted, "with a hint that says what the fault declares"),
        (totals.misled, "with a hint that says something else"),
    ):
        yield f"{count:4} of {totals.faults} ({100 * count / totals.faults:.1f}%) {what}"
    yield f"{totals.seconds:.0f} s in all"


def _tap_word(outcome: FaultOutcome) -> str:
    return "right" if outcome.named else "none" if outcome.blame is None else "WRONG"


def _hint_word(outcome: FaultOutcome) -> str:
    if outcome.hinted:
        return "right"
    if outcome.misled:
        return "other"
    return "none" if outcome.expected_hints else "-"
