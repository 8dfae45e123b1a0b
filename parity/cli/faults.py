"""`ltx-parity faults`: every known fault, planted in a correct port, and what is found of it."""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from parity.binding import Binding, CampaignRequest, load_binding
from parity.blame import FaultOutcome, Totals
from parity.cli.options import commas, positive
from parity.cli.screen import Screen
from parity.errors import ExitCode
from parity.report.fault_row import encode_outcome
from parity.report.journal import Journal, digest, open_journal


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
    parser.add_argument("--journal", type=Path, metavar="FILE",
                        help="write each outcome to FILE as it is found, and go on from what is there")  # fmt: skip
    parser.add_argument("--jobs", type=positive, default=1, help="processes that share the work (default: 1)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Plant, tell, and give 0 where every fault is detected, else 1."""
    binding = load_binding(arguments.model)
    with _journal(arguments.journal, binding) as journal:
        done = {} if journal is None else dict(journal.outcomes)
        request = CampaignRequest(arguments.stage, arguments.fault, arguments.jobs, frozenset(done))

        def found(outcome: FaultOutcome) -> None:
            if journal is not None:
                journal.add(outcome)
            screen.note(_row(outcome, len(outcome.id)))

        with screen.progress() as progress:
            outcomes = binding.campaign(request, progress, found)
    # What was asked for, in the order of the registry; a journal may hold more.
    known = done | {outcome.id: outcome for outcome in outcomes}
    asked = [known[identifier] for identifier in binding.asked_faults(request) if identifier in known]
    totals = Totals.of(asked)
    if arguments.json:
        screen.json({"totals": dataclasses.asdict(totals), "faults": [encode_outcome(outcome) for outcome in asked]})
    else:
        for line in _lines(asked, totals):
            screen.line(line)
    return ExitCode.WITHIN_BUDGET if totals.detected == totals.faults else ExitCode.OVER_BUDGET


@contextmanager
def _journal(path: Path | None, binding: Binding) -> Iterator[Journal | None]:
    if path is None:
        yield None
        return
    with open_journal(path, digest(binding.campaign_sources(), torch.__version__)) as journal:
        yield journal


def _lines(outcomes: Sequence[FaultOutcome], totals: Totals) -> Iterator[str]:
    width = max(len(outcome.id) for outcome in outcomes)
    yield f"{'fault':<{width}} found class        tap   hint   seconds  what is wrong, and what is blamed"
    for outcome in outcomes:
        yield _row(outcome, width)
        if outcome.blame is not None:
            yield f"{'':<{width}}   {outcome.blame.tap}: {outcome.blame.sentence}"
    yield ""
    for count, what in (
        (totals.detected, "detected: a tap is over its budget"),
        (totals.classed, "classed as a bug at the tap that is blamed"),
        (totals.named, "blamed at the faulty module's tap"),
        (totals.hinted, "with a hint that says what the fault declares"),
        (totals.misled, "with a hint that says something else"),
    ):
        yield f"{count:4} of {totals.faults} ({100 * count / totals.faults:.1f}%) {what}"
    yield f"{totals.seconds:.0f} s in all"


def _row(outcome: FaultOutcome, width: int) -> str:
    return (
        f"{outcome.id:<{width}} {'yes' if outcome.detected else 'NO':<5} {outcome.classed or '-':<12} "
        f"{_tap_word(outcome):<5} {_hint_word(outcome):<6} {outcome.seconds:7.2f}  {outcome.wrong}"
    )


def _tap_word(outcome: FaultOutcome) -> str:
    return "right" if outcome.named else "none" if outcome.blame is None else "WRONG"


def _hint_word(outcome: FaultOutcome) -> str:
    if outcome.hinted:
        return "right"
    if outcome.misled:
        return "other"
    return "none" if outcome.expected_hints else "-"
