"""What a run shows: progress and refusals on stderr, its result on stdout."""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ltx_port.pipeline.meter import Meter, PhaseRecord
from ltx_port.pipeline.meter import Phase as MeteredPhase
from ltx_port.pipeline.watch import Phase, Watch

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"))


class Screen:
    """The two output streams of one command."""

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())
        self._err = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    def error(self, text: str) -> None:
        """Print a refusal: one line on stderr, whatever is in it."""
        self._err.print("ltx-generate: " + " ".join(text.split()), markup=False)

    def note(self, text: str) -> None:
        """Print a remark on stderr."""
        if not self._quiet:
            self._err.print(text, markup=False)

    def line(self, text: str) -> None:
        """Print a line of the result."""
        self._out.print(text, markup=False)

    def json(self, value: Any) -> None:
        """Print one JSON document on stdout."""
        json.dump(value, sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")

    @contextmanager
    def watching(self, meter: Meter) -> Iterator[Watch]:
        """Show a bar for each phase while the block runs, and meter them."""
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with ExitStack() as stack:
            bars = None
            if not self._quiet and self._err.is_terminal:
                bars = stack.enter_context(Progress(*columns, console=self._err))
            yield _MeteredWatch(meter, bars)

    def phases(self, rows: tuple[PhaseRecord, ...]) -> None:
        """Print what each phase took."""
        table = Table(box=None, pad_edge=False)
        table.add_column("phase")
        for title in ("compile", "load", "execute", "peak memory"):
            table.add_column(title, justify="right")
        for row in rows:
            table.add_row(row.name, *map(_seconds, (row.compile_s, row.load_s, row.execute_s)), _size(row.peak_bytes))
        self._out.print(table)


class _MeteredWatch:
    """Tells a meter, and the bars where there are some."""

    def __init__(self, meter: Meter, bars: Progress | None):
        self._meter, self._bars = meter, bars
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Enter a phase; one that comes again goes on with its bar."""
        if self._bars is not None and name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=1)
        with self._meter.phase(name) as metered:
            shown = _ShownPhase(metered, self._bars, self._tasks.get(name))
            yield shown
        shown.finish()


class _ShownPhase:
    def __init__(self, metered: MeteredPhase, bars: Progress | None, task: TaskID | None):
        self._metered, self._bars, self._task = metered, bars, task
        self._counted = False

    def loading(self) -> AbstractContextManager[None]:
        return self._metered.loading()

    def executing(self) -> AbstractContextManager[None]:
        return self._metered.executing()

    def advance(self, done: int, total: int) -> None:
        self._counted = True
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, total=total)

    def finish(self) -> None:
        """Fill the bar of a phase that counts no steps."""
        if not self._counted:
            self.advance(1, 1)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _size(count: int) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if count >= unit), (1 << 10, "KiB"))
    return f"{count / unit:.1f} {name}"
