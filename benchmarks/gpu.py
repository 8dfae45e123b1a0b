"""What full size costs: port and official code beside each other, side by side, and in sketches, in one run.

`python -m benchmarks.gpu [--case NAMES] [--device cuda] [--rounds N] [--weights FORM] [--json]`. Medians of rounds in
which port and official code take turns, one pass each, by CUDA events on a GPU (by the clock on a CPU). The machine's
own ceilings are measured in the same run: a matrix product and attention of the model's shapes, and a copy. `side by
side` is a whole run of all passes in lockstep, comparison included, against the sum of both alone; `sketch` one of the
official code with every tap sketched, against it alone, without the file, whose making is told apart.
`--release 1.2.0 --variants compiled,fp8,compiled+fp8` times that release's own faster forms of its transformer instead.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.document import deliver
from parity.binding import WeightsForm
from parity.judge import Verdict
from parity.lockstep import judge_all_in_lockstep
from parity.ltx23.binding import BINDING
from parity.ltx23.stages import Choice, chosen_cases
from parity.ltx23.world import PROVEN_LIVE, World, device_named
from parity.run.forward import Forward, Implementation, watch
from parity.run.judging import Bar
from parity.run.record import ForwardResult
from parity.sketch.recipe import DEFAULT
from parity.sketch.take import SketchVisitor

_GIB = 2**30
_WARM: set[tuple[torch.device, str]] = set()
_COLUMNS = ("port_seconds", "official_seconds", "port_to_official")
_VARIANTS = {"compiled": ("compiled",), "fp8": ("fp8",), "compiled+fp8": ("fp8", "compiled")}


def seconds_of(function: Callable[[], object], device: torch.device) -> float:
    """Seconds that one call takes on its device."""
    if device.type != "cuda":
        start = time.perf_counter()
        function()
        return time.perf_counter() - start
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    before.record()
    function()
    after.record()
    torch.cuda.synchronize()
    return before.elapsed_time(after) / 1000


def median_of(function: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Median seconds of a number of calls, after one that does not count."""
    function()
    return statistics.median(seconds_of(function, device) for _ in range(rounds))


def ceilings(device: torch.device, tokens: int, rounds: int) -> dict[str, float]:
    """What the machine reaches at the shapes of the video stream: bfloat16 TFLOP/s and GB/s."""
    width, heads = 4096, 32
    if device.type != "cuda":
        tokens, width, heads = 256, 512, 4
    x = torch.randn(tokens, width, device=device, dtype=torch.bfloat16)
    weight = torch.randn(4 * width, width, device=device, dtype=torch.bfloat16)
    query = torch.randn(1, heads, tokens, width // heads, device=device, dtype=torch.bfloat16)
    target = torch.empty_like(x)
    product = median_of(lambda: x @ weight.T, device, rounds)
    attended = median_of(lambda: torch.nn.functional.scaled_dot_product_attention(query, query, query), device, rounds)
    copied = median_of(lambda: target.copy_(x), device, rounds)
    return {
        "matmul_tflops": 2 * x.numel() * weight.shape[0] / product / 1e12,
        "attention_tflops": 4 * tokens * tokens * width / attended / 1e12,
        "copy_gigabytes_per_second": 2 * x.nbytes / copied / 1e9,
    }


def measure(case_id: str, world: World, rounds: int, progress: Console) -> dict[str, Any]:
    """Give the timings of one case: each pass, all side by side, and in sketches."""
    (case,) = chosen_cases(Choice(ids=(case_id,), lockstep=True))
    dtype, device = torch.bfloat16, world.device
    world.require_room(case, dtype, sides=2)
    loaded = time.perf_counter()
    port, official = world.port(case, dtype), world.official(case, dtype)
    forwards = world.forwards(case, dtype)
    loaded = time.perf_counter() - loaded
    progress.print(f"{case_id}: loaded in {loaded:.0f} s")
    before = _reset_peak(device)
    rows = [_pass(forward, {"port": port, "official": official}, (device, rounds)) for forward in forwards]
    alone_peak = _peak(device)
    _reset_peak(device)
    alone = {name: sum(row[f"{name}_seconds"] for row in rows) for name in ("port", "official")}
    found: dict[str, Any] = {
        "case": case_id,
        "loaded_seconds": loaded,
        "passes": rows,
        "weights_and_inputs_gib": before,
        "alone_peak_gib": alone_peak,
    }
    found |= _side_by_side(case_id, (port, official), forwards, alone["port"] + alone["official"], device)
    found["lockstep_peak_gib"] = _peak(device)
    found |= _sketched(official, forwards, alone["official"], device)
    tokens = getattr(getattr(forwards[0].inputs, "video", None), "latent", None)
    return found if tokens is None else {**found, "ceilings": ceilings(device, int(tokens.shape[1]), 20)}


def _pass(forward: Forward, sides: dict[str, Implementation], how: tuple[torch.device, int]) -> dict[str, Any]:
    device, rounds = how
    taken: dict[str, list[float]] = {name: [] for name in sides}
    with torch.no_grad():
        for round_ in range(rounds + 1):
            for name, side in sides.items():
                seconds = seconds_of(partial(side.call, side.root, forward.inputs), device)
                # The first round warms up.
                if round_:
                    taken[name].append(seconds)
    medians = {f"{name}_seconds": statistics.median(found) for name, found in taken.items()}
    if "port" in sides:
        medians["port_to_official"] = medians["port_seconds"] / medians["official_seconds"]
    return {"pass": forward.name, **medians}


def _side_by_side(
    case_id: str,
    sides: tuple[Implementation, Implementation],
    forwards: Sequence[Forward],
    alone: float,
    device: torch.device,
) -> dict[str, Any]:
    bar = Bar("exact", case_id, BINDING.budgets(), torch.bfloat16, every_mode=False)

    def run() -> list[ForwardResult]:
        return list(judge_all_in_lockstep(*sides, forwards, bar, lambda *_: None))

    _once(device, "lockstep", run)
    found, seconds = _whole(run)
    taps = [tap for forward in found for tap in forward.taps]
    return {
        "lockstep_seconds": seconds,
        "both_alone_seconds": alone,
        "comparison_share": seconds / alone - 1,
        "taps": len(taps),
        "elements": sum(tap.measurement.comparison.elements for tap in taps),
        "identical": sum(tap.verdict is Verdict.IDENTICAL for tap in taps),
        "incomplete": [line for forward in found for line in forward.incomplete],
    }


def _sketched(
    official: Implementation, forwards: Sequence[Forward], alone: float, device: torch.device
) -> dict[str, Any]:
    names = frozenset(name for forward in forwards for name in forward.plan.names)

    def run(visitor: SketchVisitor) -> SketchVisitor:
        for forward in forwards:
            visitor.begin(forward)
            watch(official, forward, visitor)
            visitor.end()
        return visitor

    _once(device, "sketch", lambda: run(SketchVisitor(DEFAULT, names)))
    _reset_peak(device)
    visitor, seconds = _whole(lambda: run(SketchVisitor(DEFAULT, names)))
    again: list[str] = []
    _, fetched = _whole(lambda: visitor.finish(lambda forward, _: again.append(forward.name)))
    return {
        "sketch_seconds": seconds,
        "sketch_share": seconds / alone - 1,
        "sketch_fetch_seconds": fetched,
        "sketch_reads": visitor.reads,
        "sketch_rows": len(visitor.book.rows),
        "sketch_again": again,
        "sketch_peak_gib": _peak(device),
    }


def variants(case_id: str, world: World, named: Sequence[str], rounds: int) -> dict[str, Any]:
    """Give the timings of the newest release's transformer: eager first, then in its own faster forms."""
    # Imported here: the first release has no such forms.
    from reference_dumps.official import transformer_variants

    (case,) = chosen_cases(Choice(ids=(case_id,), lockstep=True))
    rows = []
    for name in ("eager", *named):
        world.clear()
        gc.collect()
        official, forwards = world.official(case, torch.bfloat16), world.forwards(case, torch.bfloat16)
        prepared = time.perf_counter()
        for step in _VARIANTS.get(name, ()):
            getattr(transformer_variants, step)(official.root)
        _reset_peak(world.device)
        passes = []
        for forward in forwards:
            passes.append(_pass(forward, {"official": official}, (world.device, rounds)))
            Console(stderr=True).print(json.dumps({"variant": name, **passes[-1]}))
        rows.append(
            {
                "variant": name,
                "step_seconds": sum(row["official_seconds"] for row in passes),
                "pass_seconds": passes[0]["official_seconds"],
                "with_preparation_seconds": time.perf_counter() - prepared,
                "peak_gib": _peak(world.device),
            }
        )
        Console(stderr=True).print(json.dumps(rows[-1]))
    return {"case": case_id, "variants": rows}


def _whole(function: Callable[[], Any]) -> tuple[Any, float]:
    """Give what a call gives and its seconds by the clock, host work included."""
    # As a run does: what exists already is not walked through again and again.
    gc.collect()
    gc.freeze()
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, *thresholds[1:])
    start = time.perf_counter()
    found = function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    return found, seconds


def _once(device: torch.device, what: str, function: Callable[[], object]) -> None:
    """Do for the first time, in this process, what compiles kernels and makes tables: no run later pays for it."""
    if (device, what) not in _WARM:
        _WARM.add((device, what))
        function()


def _reset_peak(device: torch.device) -> float:
    if device.type != "cuda":
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated() / _GIB


def _peak(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated() / _GIB if device.type == "cuda" else 0.0


def show(document: dict[str, Any], out: Console) -> None:
    """Print the rows as tables."""
    for key, value in document["machine"].items():
        out.print(f"{key}: {value}", markup=False)
    for case in document["cases"]:
        if "variants" in case:
            table = Table(*case["variants"][0], title=case["case"], box=None)
            for row in case["variants"]:
                table.add_row(*(value if isinstance(value, str) else f"{value:.4g}" for value in row.values()))
        else:
            table = Table("pass", "port s", "official s", "port / official", title=case["case"], box=None)
            for row in case["passes"]:
                table.add_row(row["pass"], *(f"{row[key]:.4g}" for key in _COLUMNS))
        out.print(table)
        plain = {key: value for key, value in case.items() if key not in ("passes", "case", "variants")}
        for key, value in plain.items():
            out.print(f"  {key}: {value}", markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print tables or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--case", default="lockstep", help="cases, separated by commas (default: %(default)s)")
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: %(default)s)")
    parser.add_argument("--weights", choices=tuple(map(str, WeightsForm)), default=str(WeightsForm.COPIES),
                        help="of resident cases: how both sides hold them (default: %(default)s)")  # fmt: skip
    parser.add_argument("--release", default=PROVEN_LIVE, help="the official release (default: %(default)s)")
    parser.add_argument("--variants", help=f"time forms of the newest release: {', '.join(_VARIANTS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    if arguments.variants and arguments.weights == WeightsForm.STREAMED:
        parser.error("--variants: they are made of weights that are there for good; leave out --weights streamed")
    device, weights = device_named(arguments.device), WeightsForm(arguments.weights)
    rows = []
    with World(device, release=arguments.release, weights=weights) as world:
        for case in arguments.case.split(","):
            if arguments.variants:
                rows.append(variants(case, world, arguments.variants.split(","), arguments.rounds))
            else:
                rows.append(measure(case, world, arguments.rounds, Console(stderr=True)))
            # At once: a run that is cut off loses no case.
            sys.stderr.write(json.dumps(rows[-1]) + "\n")
            gc.collect()
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    return deliver({"cases": rows}, arguments, show, device=name, weights=weights, release=arguments.release)


if __name__ == "__main__":
    sys.exit(main())
