"""`ltx-parity compare`: judge a dump, a foreign port's tensors, or the live port against a reference's dump."""

import argparse
from pathlib import Path
from typing import Any

from parity.binding import Binding, load_binding
from parity.cli import compare_sketch, outcome
from parity.cli.options import ONE_SIDE
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.foreign.files import ForeignFile
from parity.foreign.judging import ForeignPair, compare_foreign
from parity.foreign.mapping import TapMapping
from parity.judge import Budgets
from parity.run.dumps import DumpPair, compare_dumps
from parity.run.maps import Maps
from parity.run.record import RunResult
from parity.sketch.file import is_sketch
from parity.store import Dump


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "compare",
        help="compare a dump, a foreign port's tensors or the live port with a dump",
        description="Judge a candidate's dump, a foreign port's tensors, or the live port, against a reference's dump.",
    )
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="the reference's dump")
    parser.add_argument(
        "candidate",
        type=Path,
        nargs="?",
        metavar="CANDIDATE",
        help="the candidate's dump; with --mapping, what a foreign port wrote",
    )
    parser.add_argument("--live", action="store_true", help="run the port now, instead of reading a second dump")
    parser.add_argument("--device", help="with a sketch and --live: where the port runs, cpu or cuda (default: cpu)")
    parser.add_argument("--weights", choices=ONE_SIDE, help="with a sketch and --live: as `capture --weights`")
    parser.add_argument("--suite", default="recorded", help="the budgets to hold two dumps to (default: %(default)s)")
    parser.add_argument("--mapping", type=Path, metavar="MAP.toml",
                        help="which tensors of CANDIDATE are which taps (see docs/MAPPING.md)")  # fmt: skip
    parser.add_argument("--budgets", type=Path, metavar="FILE", help="a budget file to use instead of the model's")
    parser.add_argument("--across-releases", action="store_true",
                        help="compare dumps of different releases: the taps that both have")  # fmt: skip
    outcome.add_options(parser)
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Compare, report, and give the verdict as an exit code."""
    binding = load_binding(arguments.model)
    _require_one_candidate(arguments)
    outcome.require_pages(arguments)
    if any(is_sketch(path) for path in (arguments.reference, arguments.candidate) if path is not None):
        return compare_sketch.act(binding, _budgets(arguments, binding), arguments, screen)
    return outcome.deliver(_result(binding, arguments, screen), binding.bands(), arguments, screen)


def _result(binding: Binding, arguments: argparse.Namespace, screen: Screen) -> RunResult:
    for option in ("device", "weights"):
        if getattr(arguments, option) is not None:
            raise BadInputError("compare", f"--{option} without a sketch", "a sketch and --live", "leave it out")
    if arguments.live:
        _refuse_with_live(arguments)
        with screen.progress() as progress:
            return binding.compare_live(arguments.reference, progress)
    budgets = _budgets(arguments, binding)
    with Dump.open(arguments.reference) as reference:
        groups = binding.taps(reference.manifest.case)
        if arguments.mapping is not None:
            result = _foreign(binding, arguments, reference, budgets)
        else:
            with Dump.open(arguments.candidate) as candidate:
                across, maps = arguments.across_releases, Maps(binding.operations())
                result = compare_dumps(DumpPair(candidate, reference, budgets, arguments.suite, groups, across, maps))
    if arguments.budgets is not None:
        budgets.refuse_unused(arguments.suite)
    return result


def _require_one_candidate(arguments: argparse.Namespace) -> None:
    if arguments.live == (arguments.candidate is not None):
        raise BadInputError(
            "compare",
            "both a second dump and --live" if arguments.live else "one dump",
            "two dumps, or one dump and --live",
            "give one of the two",
        )


def _foreign(binding: Binding, arguments: argparse.Namespace, reference: Dump, budgets: Budgets) -> RunResult:
    if arguments.across_releases:
        raise BadInputError(
            "compare",
            "--mapping with --across-releases",
            "one of the two: a foreign port follows the release of its inputs",
            "leave one out",
        )
    mapping = TapMapping.load(arguments.mapping)
    with ForeignFile.open(arguments.candidate) as foreign:
        told = reference.manifest
        plans = binding.plans(told.case, told.dtype, told.release)
        groups, operations = binding.taps(told.case), binding.operations()
        return compare_foreign(
            ForeignPair(foreign, mapping, reference, budgets, arguments.suite, groups, plans, operations)
        )


def _budgets(arguments: argparse.Namespace, binding: Binding) -> Budgets:
    if arguments.budgets is None:
        budgets, suites = binding.budgets(), list(binding.suites())
    else:
        budgets = Budgets.load(arguments.budgets)
        suites = list(dict.fromkeys(row.suite for row in budgets.rows))
    if arguments.suite not in suites:
        names = ", ".join(suites) or "none"
        raise BadInputError(f"suite {arguments.suite!r}", "unknown", f"one of {names}", "choose one")
    return budgets


def _refuse_with_live(arguments: argparse.Namespace) -> None:
    """Refuse what only the comparison of two files reads."""
    for option, given in (
        ("--across-releases", arguments.across_releases),
        ("--mapping", arguments.mapping is not None),
        ("--budgets", arguments.budgets is not None),
    ):
        if given:
            raise BadInputError(
                "compare",
                f"--live with {option}",
                "one of the two: the live port follows the dump's own release, under its own names and budgets",
                "leave one out, or capture the port and compare two dumps",
            )
