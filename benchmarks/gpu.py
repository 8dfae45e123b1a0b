"""What a guided step costs at full size: port and official code, beside each other and side by side, in one run.

`python -m benchmarks.gpu [--case NAMES] [--device cuda] [--rounds N] [--share-weights] [--json]`. Medians of rounds in
which port and official code take turns, one forward pass each, by CUDA events on a GPU (by the clock on a CPU). The
machine's own ceilings are measured in the same run: a matrix product and attention of the model's shapes, and a copy.
`side by side` is a whole run of the guided step in lockstep, comparison included, against the sum of both alone.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.document import deliver
from parity.judge import Verdict
from parity.lockstep import judge_all_in_lockstep
from parity.ltx23.binding import BINDING
from parity.ltx23.stages import Choice, chosen_cases
from parity.ltx23.world import World, device_named
from parity.run.forward import Forward, Implementation
from parity.run.judging import Bar

_GIB = 2**30
_COLUMNS = ("port_seconds", "official_seconds", "port_to_official")


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
    """Give the timings of one case."""
    (case,) = chosen_cases(Choice(ids=(case_id,), lockstep=True))
    dtype, device = torch.bfloat16, world.device
    loaded = time.perf_counter()
    port, official = world.port(case, dtype), world.official(case, dtype)
    forwards = world.forwards(case, dtype)
    loaded = time.perf_counter() - loaded
    progress.print(f"{case_id}: loaded in {loaded:.0f} s")
    rows = [_pass(forward, port, official, (device, rounds)) for forward in forwards]
    for row in rows:
        progress.print(json.dumps(row))
    peak_before = _reset_peak(device)
    # As a run does: what exists already is not walked through again and again.
    gc.freeze()
    start = time.perf_counter()
    bar = Bar("exact", case_id, BINDING.budgets(), torch.bfloat16, every_mode=False)
    found = list(judge_all_in_lockstep(port, official, forwards, bar, lambda *_: None))
    if device.type == "cuda":
        torch.cuda.synchronize()
    together = time.perf_counter() - start
    gc.unfreeze()
    both = sum(row["port_seconds"] + row["official_seconds"] for row in rows)
    taps = [tap for forward in found for tap in forward.taps]
    return {
        "case": case_id,
        "loaded_seconds": loaded,
        "passes": rows,
        "lockstep_seconds": together,
        "both_alone_seconds": both,
        "comparison_share": together / both - 1,
        "taps": len(taps),
        "elements": sum(tap.measurement.comparison.elements for tap in taps),
        "identical": sum(tap.verdict is Verdict.IDENTICAL for tap in taps),
        "incomplete": [line for forward in found for line in forward.incomplete],
        "weights_and_inputs_gib": peak_before,
        "lockstep_peak_gib": _peak(device),
        "ceilings": ceilings(device, _video_tokens(forwards[0]), 20),
    }


def _pass(
    forward: Forward, port: Implementation, official: Implementation, how: tuple[torch.device, int]
) -> dict[str, Any]:
    device, rounds = how
    taken: dict[str, list[float]] = {"port": [], "official": []}
    with torch.no_grad():
        for round_ in range(rounds + 1):
            for name, side in (("port", port), ("official", official)):
                seconds = seconds_of(lambda side=side: side.call(side.root, forward.inputs), device)  # type: ignore[misc]
                # The first round warms up.
                if round_:
                    taken[name].append(seconds)
    medians = {f"{name}_seconds": statistics.median(found) for name, found in taken.items()}
    return {"pass": forward.name, **medians, "port_to_official": medians["port_seconds"] / medians["official_seconds"]}


def _video_tokens(forward: Forward) -> int:
    return int(forward.inputs.video.latent.shape[1])


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
        table = Table("pass", "port s", "official s", "port / official", title=case["case"], box=None)
        for row in case["passes"]:
            table.add_row(row["pass"], *(f"{row[key]:.4g}" for key in _COLUMNS))
        out.print(table)
        plain = {key: value for key, value in case.items() if key not in ("passes", "case")}
        for key, value in plain.items():
            out.print(f"  {key}: {value}", markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print tables or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--case", default="lockstep", help="cases, separated by commas (default: %(default)s)")
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: %(default)s)")
    parser.add_argument("--share-weights", action="store_true", help="both sides hold the same tensors")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    device = device_named(arguments.device)
    rows = []
    with World(device, share_weights=arguments.share_weights) as world:
        for case in arguments.case.split(","):
            rows.append(measure(case, world, arguments.rounds, Console(stderr=True)))
            gc.collect()
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    weights = "shared" if arguments.share_weights else "two copies"
    return deliver({"cases": rows}, arguments, show, device=name, weights=weights)


if __name__ == "__main__":
    sys.exit(main())
