"""`ltx-parity trajectory`: drift over denoise steps, of two live runs or of two dumps."""

import argparse
from pathlib import Path
from typing import Any

from parity.binding import load_binding
from parity.chain import ChainRequest
from parity.chain.document import encoded
from parity.cli.options import positive
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.report.terminal import print_sheet
from parity.store import Dump
from parity.trajectory import Trajectory, compare_series, follow
from parity.trajectory.sheets import final_sheet, guidance_sheet, step_sheet


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "trajectory",
        help="drift over denoise steps, and what it looks and sounds like",
        description="Follow two runs step by step: two numerics live, with the reset test, or two dumps.",
    )
    parser.add_argument("dumps", type=Path, nargs="*", metavar="DUMP", help="two dumps, the reference's first")
    parser.add_argument("--reference", help="the numerics to hold against (default: the truth)")
    parser.add_argument("--candidate", help="the numerics to follow; see `ltx-parity forecast --list`")
    parser.add_argument("--seed", type=int, default=0, help="what the run starts from (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=4, help="denoise steps (default: %(default)s)")
    parser.add_argument("--blocks", type=positive, help="blocks of the model (default: as configured)")
    parser.add_argument("--release", help="the release to follow (default: the newest)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Follow, and show; what is large is not judged here."""
    live = arguments.candidate is not None
    if live == bool(arguments.dumps) or (not live and len(arguments.dumps) != 2):
        got = f"{len(arguments.dumps)} dumps{' and --candidate' if live else ''}"
        raise BadInputError("trajectory", got, "two dumps, or --candidate", "give one of the two")
    found = _live(arguments, screen) if live else _stored(arguments)
    if arguments.json:
        screen.json({**encoded(found), "suspects": list(found.suspects())})
        return ExitCode.WITHIN_BUDGET
    for sheet in (step_sheet(found), guidance_sheet(found), final_sheet(found)):
        if sheet.rows:
            print_sheet(screen.out, sheet)
    return ExitCode.WITHIN_BUDGET


def _live(arguments: argparse.Namespace, screen: Screen) -> Trajectory:
    binding = load_binding(arguments.model)
    request = ChainRequest(arguments.steps, arguments.blocks, arguments.release, arguments.device)
    with binding.chains(request) as chains, screen.progress() as progress:
        reference = chains.chain(arguments.reference or chains.truth)
        return follow(reference, chains.chain(arguments.candidate), chains.start(arguments.seed), progress)


def _stored(arguments: argparse.Namespace) -> Trajectory:
    if arguments.reference is not None:
        raise BadInputError("trajectory", "--reference with dumps", "two dumps alone", "leave it out")
    first, second = arguments.dumps
    with Dump.open(first) as reference, Dump.open(second) as candidate:
        return compare_series(reference, candidate, load_binding(arguments.model).step_taps())
