"""`ltx-parity compare`: judge one dump against another, or the live port against a dump."""

import argparse
from pathlib import Path
from typing import Any

from parity.binding import Binding, load_binding
from parity.cli import outcome
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.run.dumps import DumpPair, compare_dumps
from parity.run.record import RunResult
from parity.store import Dump


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "compare",
        help="compare two dumps, or the live port with a dump",
        description="Judge a candidate's dump, or the live port, against a reference's dump.",
    )
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="the reference's dump")
    parser.add_argument("candidate", type=Path, nargs="?", metavar="CANDIDATE", help="the candidate's dump")
    parser.add_argument("--live", action="store_true", help="run the port now, instead of reading a second dump")
    parser.add_argument("--suite", default="recorded", help="the budgets to hold two dumps to (default: %(default)s)")
    parser.add_argument("--across-releases", action="store_true",
                        help="compare dumps of different releases: the taps that both have")  # fmt: skip
    outcome.add_options(parser)
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Compare, report, and give the verdict as an exit code."""
    binding = load_binding(arguments.model)
    return outcome.deliver(_result(binding, arguments, screen), binding.bands(), arguments, screen)


def _result(binding: Binding, arguments: argparse.Namespace, screen: Screen) -> RunResult:
    if arguments.live == (arguments.candidate is not None):
        raise BadInputError(
            "compare",
            "both a second dump and --live" if arguments.live else "one dump",
            "two dumps, or one dump and --live",
            "give one of the two",
        )
    if arguments.live and arguments.across_releases:
        raise BadInputError(
            "compare",
            "--live with --across-releases",
            "one of the two: the live port follows the dump's own release",
            "capture the port under the other release, and compare two dumps",
        )
    if arguments.live:
        with screen.progress() as progress:
            return binding.compare_live(arguments.reference, progress)
    if arguments.suite not in binding.suites():
        names = ", ".join(binding.suites())
        raise BadInputError(f"suite {arguments.suite!r}", "unknown", f"one of {names}", "choose one")
    with Dump.open(arguments.reference) as reference, Dump.open(arguments.candidate) as candidate:
        groups = binding.taps(reference.manifest.case)
        pair = DumpPair(candidate, reference, binding.budgets(), arguments.suite, groups, arguments.across_releases)
        return compare_dumps(pair)
