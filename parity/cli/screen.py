"""Where things are shown: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from parity import binding


class Screen:
    """The two output streams of one command."""

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self.out = Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())
        self._err = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    def json(self, value: Any) -> None:
        """Print one JSON document on stdout."""
        json.dump(value, sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")

    def line(self, text: str) -> None:
        """Print a line of the result."""
        self.out.print(text, markup=False)

    def note(self, text: str) -> None:
        """Print a remark on stderr."""
        if not self._quiet:
            self._err.print(text, markup=False)

    def error(self, text: str) -> None:
        """Print a refusal: one line on stderr, whatever is in it."""
        self._err.print("ltx-parity: " + " ".join(text.split()), markup=False)

    @contextmanager
    def progress(self) -> Iterator[binding.Progress]:
        """Show a bar on stderr while something runs."""
        if self._quiet or not self._err.is_terminal:
            yield binding.silent
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True) as bars:
            task = bars.add_task("starting", total=None)

            def show(what: str, done: int, total: int) -> None:
                bars.update(task, description=what, completed=done, total=total)

            yield show
