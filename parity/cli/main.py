"""The parser, and the one place where a refusal becomes a line and an exit code."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from parity.cli import (
    calibrate,
    capture,
    compare,
    faults,
    forecast,
    gate,
    inputs,
    locate,
    map,
    report,
    run,
    runs,
    show,
    trajectory,
    watch,
)
from parity.cli.screen import Screen
from parity.errors import ExitCode, ParityError
from parity.run.collecting import seldom_collected

_EPILOG = """exit codes:
  0  within budget
  1  over budget: a tap differs by more than its budget allows
  2  bad input: a file, a name or an option that cannot be used
  3  incomplete: something that had to be compared was missing, stale or not comparable
"""

_VERBS = (
    run,
    gate,
    calibrate,
    capture,
    inputs,
    map,
    compare,
    show,
    report,
    runs,
    watch,
    locate,
    faults,
    forecast,
    trajectory,
)


def build_parser() -> argparse.ArgumentParser:
    """Give the whole parser; a test freezes its options."""
    parser = argparse.ArgumentParser(
        prog="ltx-parity",
        description="Prove, tensor by tensor, that one implementation of a model computes what another does.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in _VERBS:
        verb.add_parser(verbs)
    for name, sub in verbs.choices.items():
        sub.add_argument("--model", default="ltx23", help="the binding to use (default: %(default)s)")
        sub.add_argument("--json", action="store_true", help=f"print the result of {name} as JSON on stdout")
        sub.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit code."""
    arguments = build_parser().parse_args(argv)
    screen = Screen(quiet=arguments.quiet)
    try:
        with seldom_collected():
            code: ExitCode = arguments.act(arguments, screen)
        sys.stdout.flush()
        return int(code)
    except ParityError as error:
        screen.error(str(error))
        return int(error.exit_code)
    except KeyboardInterrupt:
        screen.error("interrupted: nothing was written under its final name; run it again")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter must not flush into the closed pipe at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
