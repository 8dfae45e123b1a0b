"""`ltx-parity watch`: run again whenever the candidate's code changes, and say what that changed."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from watchfiles import PythonFilter, watch

from parity.binding import load_binding
from parity.cli.options import positive
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.history import brief_of, compare_runs
from parity.history.sheets import change_line, change_sheets
from parity.report import Report, read_report, render
from parity.report.terminal import print_sheet


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "watch",
        help="run again whenever the port changes",
        description="Run suites, show the table, and do so again whenever a Python file of the port changes, with what "
        "that changed. What follows -- are options of `ltx-parity run`: the fewer cases, the sooner the answer.",
    )
    parser.add_argument("run_options", nargs="*", metavar="-- RUN-OPTION", help="options of `ltx-parity run`")
    parser.add_argument("--path", type=Path, action="append", metavar="FOLDER",
                        help="what to watch, as often as needed (default: the folder of the port)")  # fmt: skip
    parser.add_argument("--times", type=positive, help="stop after so many runs (default: when interrupted)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Run until interrupted, and give the last verdict as an exit code."""
    paths = arguments.path or load_binding(arguments.model).sources()
    if missing := [path for path in paths if not path.exists()]:
        raise BadInputError(str(missing[0]), "no such folder", "a folder of Python files", "check the path")
    code, before = ExitCode.WITHIN_BUDGET, None
    for _ in islice(_moments(paths), arguments.times):
        code, report = _run([*arguments.run_options, "--model", arguments.model], screen)
        if report is not None:
            _show(report, before, arguments, screen)
            before = report
        screen.note(f"watching {', '.join(map(str, paths))}")
    return code


def _moments(paths: list[Path]) -> Iterator[None]:
    """Come round at once, and then whenever a Python file below the paths has changed."""
    # The watch begins before the first run, so that no change during it is missed.
    changes = watch(*paths, watch_filter=PythonFilter(), yield_on_timeout=True, rust_timeout=100)
    next(changes)
    yield None
    for changed in changes:
        if changed:
            yield None


def _run(options: list[str], screen: Screen) -> tuple[ExitCode, Report | None]:
    # In a process of its own: this one has the code as it was.
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "parity", "run", *options, "--quiet", "--output", folder]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        written = Path(folder, "run.json")
        if written.exists():
            return ExitCode(done.returncode), read_report(written)
    told = [line for line in done.stderr.splitlines() if line.strip()]
    # The last line is the refusal, or of a traceback the error itself: code that is being written may well not run.
    screen.error(told[-1].removeprefix("ltx-parity: ") if told else f"the run ended with {done.returncode}")
    return ExitCode.BAD_INPUT, None


def _show(report: Report, before: Report | None, arguments: argparse.Namespace, screen: Screen) -> None:
    if screen.out.is_terminal:
        screen.out.clear()
    render(report, screen.out)
    if before is None:
        return
    changed = compare_runs(brief_of(before), brief_of(report))
    screen.line(f"\nsince the run before: {change_line(changed)}")
    for sheet, _ in change_sheets(changed):
        print_sheet(screen.out, sheet)
