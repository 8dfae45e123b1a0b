"""What watching a forward costs: statistics and recordings beside plain hooks and msprobe, in one run.

`python -m benchmarks.capture [--case NAMES] [--rounds N] [--json]`. Ratios to the same forward with nobody watching,
the port on one thread; `--case all` takes the whole tiny suite. msprobe (`pip install mindstudio-probe`) is left out
where it is not installed; it takes its statistics of every module, and writes them to a folder.

- sketches: read and fetched, not written.
- statistics: installed for one forward and removed again; "kept on": installed once for many.
- no-op hooks, copying hooks: on every tapped module, installed and removed likewise.
- recording: a copy of every tap, by the hooks that can also force values.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.document import deliver
from benchmarks.rounds import Timing, in_rounds
from parity.capture import Probe, Recorder, Watch
from parity.ltx23.stages import Choice, chosen_cases, stage_of
from parity.ltx23.world import World
from parity.run.forward import Forward, Implementation, watch
from parity.run.statistics import StatisticsVisitor
from parity.sketch.recipe import DEFAULT as DEFAULT_RECIPE
from parity.sketch.take import SketchVisitor
from parity.store.bits import dtype_name

DEFAULT = "guided-b1,text-small,denoise-small,upsampler-small,vae-small,audio-vae-small,vocoder-small"
PLAIN, INSTALLED = "plain", "statistics, kept on"
Watching = Callable[[Implementation, Forward], AbstractContextManager[object]]


@contextmanager
def _plain_hooks(implementation: Implementation, forward: Forward) -> Iterator[None]:
    """A hook on every tapped module that does nothing: what torch asks for hooks as such."""
    with _hooks(implementation, forward, lambda _module, _args, _output: None):
        yield


@contextmanager
def _copying_hooks(implementation: Implementation, forward: Forward) -> Iterator[None]:
    """A hook on every tapped module that keeps a copy of its output, as throwaway scripts do."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            kept.append(output.detach().clone())

    with _hooks(implementation, forward, keep):
        yield


@contextmanager
def _hooks(implementation: Implementation, forward: Forward, hook: Callable[..., None]) -> Iterator[None]:
    places = forward.plan.filed(implementation.name).by_module
    handles = [implementation.root.get_submodule(path).register_forward_hook(hook) for path in places]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _statistics(implementation: Implementation, forward: Forward) -> AbstractContextManager[object]:
    return Watch(implementation.root, implementation.name, forward.plan, StatisticsVisitor())


@contextmanager
def _sketches(implementation: Implementation, forward: Forward) -> Iterator[None]:
    visitor = SketchVisitor(DEFAULT_RECIPE, frozenset(forward.plan.names))
    visitor.begin(forward)
    with Watch(implementation.root, implementation.name, forward.plan, visitor):
        yield
    visitor.end()
    visitor.finish(lambda again, other: watch(implementation, again, other))


def _recording(implementation: Implementation, forward: Forward) -> AbstractContextManager[object]:
    return Probe(implementation.root, implementation.name, forward.plan, Recorder())


@dataclass
class Msprobe:
    """The debugger of msprobe, one for all forwards of a process, as it asks to be."""

    debugger: Any

    @staticmethod
    def load(folder: Path) -> "Msprobe":
        """Set it up to keep statistics of modules; ImportError where it is not installed."""
        from msprobe.pytorch import PrecisionDebugger

        config = folder / "config.json"
        common = {"task": "statistics", "dump_path": str(folder / "dump"), "rank": [], "step": [], "level": "L0"}
        config.write_text(json.dumps({**common, "statistics": {"scope": [], "list": [], "data_mode": ["all"]}}))
        return Msprobe(PrecisionDebugger(config_path=str(config)))

    @contextmanager
    def watching(self, implementation: Implementation, _forward: Forward) -> Iterator[None]:
        """Watch one forward, and write what was found."""
        self.debugger.start(model=implementation.root)
        try:
            yield
        finally:
            self.debugger.stop()
            self.debugger.step()


def measured(
    implementation: Implementation, forward: Forward, ways: Mapping[str, Watching], rounds: int
) -> dict[str, Timing]:
    """Time one forward with nobody watching and in each way; installing and removing what watches counts."""

    def watched(way: Watching) -> Callable[[], None]:
        def run() -> None:
            with way(implementation, forward):
                implementation.call(implementation.root, forward.inputs)

        return run

    def plain() -> None:
        implementation.call(implementation.root, forward.inputs)

    return in_rounds({PLAIN: plain, **{name: watched(way) for name, way in ways.items()}}, rounds)


def installed(implementation: Implementation, forward: Forward, rounds: int) -> dict[str, Timing]:
    """Time a forward under a watch that was installed before, as over many forwards of one plan."""
    visitor = StatisticsVisitor()
    with Watch(implementation.root, implementation.name, forward.plan, visitor) as watch:

        def run() -> None:
            implementation.call(implementation.root, forward.inputs)
            watch.next_pass()

        found = in_rounds({INSTALLED: run}, rounds)
        implementation.call(implementation.root, forward.inputs)
    return found


def measure(cases: Sequence[str], rounds: int, progress: Console) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Give one row for each case and dtype, and one for all of them; and what was left out, with the reason."""
    rows: dict[tuple[str, str], Row] = {}
    missing: dict[str, str] = {}
    with World() as world, torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        runs = [(case, dtype, forward) for case in chosen_cases(Choice(tuple(cases))) for dtype in case.dtypes
                for forward in world.forwards(case, dtype)]  # fmt: skip
        for case, dtype, forward in runs:
            progress.print(f"{case.id} {dtype} {forward.name}")
            implementation = world.port(case, dtype)
            times = measured(implementation, forward, WAYS, rounds) | installed(implementation, forward, rounds)
            row = rows.setdefault((case.id, dtype_name(dtype)), Row(stage_of(case).id))
            row.add(len(forward.plan.names), times)
        try:
            # Last: it wraps functions of torch, and what comes after it is slower.
            with redirect_stdout(StringIO()):
                msprobe = {"msprobe": Msprobe.load(Path(folder)).watching}
                for case, dtype, forward in runs:
                    times = measured(world.port(case, dtype), forward, msprobe, max(3, rounds // 4))
                    rows[case.id, dtype_name(dtype)].add(0, {"msprobe": times["msprobe"]})
        except ImportError as error:
            missing["msprobe"] = str(error)
    everything = Row("all")
    for row in rows.values():
        everything.add(row.taps, {name: Timing(seconds, seconds, seconds) for name, seconds in row.seconds.items()})
    return [row.to_json(*key) for key, row in {**rows, ("all of these", ""): everything}.items()], missing


class Row:
    """Taps and seconds of the forwards of one case in one dtype, by who watches."""

    def __init__(self, stage: str):
        self.stage, self.taps = stage, 0
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, taps: int, times: dict[str, Timing]) -> None:
        """Add one forward: its median times."""
        self.taps += taps
        for name, timing in times.items():
            self.seconds[name] += timing.median

    def to_json(self, case: str, dtype: str) -> dict[str, Any]:
        """Give the row with ratios to the plain forward."""
        plain = self.seconds[PLAIN]
        ratios = {name: seconds / plain for name, seconds in self.seconds.items() if name != PLAIN}
        return {
            "stage": self.stage,
            "case": case,
            "dtype": dtype,
            "taps": self.taps,
            "plain_seconds": plain,
            "ratios": ratios,
        }


def show(document: dict[str, Any], out: Console) -> None:
    """Print the rows as a table: who watches across."""
    for key, value in document["machine"].items():
        out.print(f"{key}: {value}", markup=False)
    for name, why in document["missing"].items():
        out.print(f"left out: {name} ({why})", markup=False)
    names = list(dict.fromkeys(name for row in document["rows"] for name in row["ratios"]))
    title = "times as long as the forward alone (medians)"
    table = Table("case", "dtype", "taps", "forward", *names, title=title, box=None)
    for row in document["rows"]:
        cells = [f"{row['ratios'][name]:.2f}" if name in row["ratios"] else "-" for name in names]
        table.add_row(row["case"], row["dtype"], f"{row['taps']:,}", f"{row['plain_seconds'] * 1e3:.1f} ms", *cells)
    out.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture", description=__doc__)
    parser.add_argument(
        "--case", default=DEFAULT, help="cases, separated by commas, or all (default: one of each stage)"
    )
    parser.add_argument("--rounds", type=int, default=20, help="rounds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    cases = () if arguments.case == "all" else tuple(arguments.case.split(","))
    rows, missing = measure(cases, arguments.rounds, Console(stderr=True))
    return deliver({"missing": missing, "rows": rows}, arguments, show)


WAYS: dict[str, Watching] = {
    "statistics": _statistics,
    "sketches": _sketches,
    "no-op hooks": _plain_hooks,
    "copying hooks": _copying_hooks,
    "recording": _recording,
}


if __name__ == "__main__":
    sys.exit(main())
