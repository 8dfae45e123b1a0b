"""`ltx-parity map`: propose which tensors of a foreign port are which of a reference."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from parity.cli.options import fraction
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.foreign.files import ForeignFile
from parity.foreign.mapping import HIGH
from parity.foreign.proposal import Proposal, propose
from parity.store.whole_file import publish

_SHOWN = 20


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "map",
        help="propose a mapping of a foreign port's tensors",
        description="Propose a mapping file by the values of both sides' tensors; nothing uses it but what you write.",
    )
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="a dump, a safetensors file, a .npy folder")
    parser.add_argument("candidate", type=Path, metavar="CANDIDATE", help="the same of the port, under its own names")
    parser.add_argument("--output", type=Path, metavar="MAP.toml", help="write the proposal there, for you to read")
    parser.add_argument("--tolerance", type=fraction, default=0.02,
                        help="how far a tensor may be from its like, over its spread (%(default)s)")  # fmt: skip
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Propose; incomplete where a tensor of either side found no partner."""
    if arguments.output is not None and arguments.output.exists():
        raise BadInputError(str(arguments.output), "exists already", "a new file", "choose another, or remove it")
    with ForeignFile.open(arguments.reference) as reference, ForeignFile.open(arguments.candidate) as candidate:
        proposal = propose(reference, candidate, arguments.tolerance)
    if arguments.output is not None:
        text = proposal.to_toml(shlex.join(["ltx-parity", *sys.argv[1:]]))
        publish(arguments.output, text.encode("utf-8"))
    if arguments.json:
        screen.json(proposal.to_json())
    else:
        _print(proposal, arguments.output, screen)
    return ExitCode.INCOMPLETE if proposal.reference_left or proposal.candidate_left else ExitCode.WITHIN_BUDGET


def _print(proposal: Proposal, output: Path | None, screen: Screen) -> None:
    high, own, others = len(proposal.high), proposal.reference_left, proposal.candidate_left
    screen.line(
        f"{len(proposal.pairs)} pairs: {high} with a confidence of {HIGH} or more, {len(proposal.pairs) - high} below; "
        f"without a partner: {len(own)} of the reference, {len(others)} of the candidate"
    )
    unsure = sorted((pair for pair in proposal.pairs if pair.confidence < HIGH), key=lambda pair: pair.confidence)
    for pair in unsure[:_SHOWN]:
        names = ", ".join(name for name, _ in pair.sources)
        screen.line(f"{pair.confidence:.2f}  {pair.reference} from {names}: {pair.note}")
    if len(unsure) > _SHOWN:
        screen.line(f"... and {len(unsure) - _SHOWN} more below {HIGH}")
    for title, left in (("reference", own), ("candidate", others)):
        for one in left[:_SHOWN]:
            screen.line(f"without a partner, {title}: {one.name}{': ' if one.note else ''}{one.note}")
    screen.line(f"written to {output}: read it before you use it" if output else "nothing was written: give --output")
