"""How quickly two tensors are compared: ours beside what else there is, in one run.

`python -m benchmarks.compare [--sizes 1,16,256,1024] [--rounds N] [--json]`. Everything runs on one thread unless it
says otherwise. Throughput counts the bytes of both tensors. Polygraphy and msprobe (`pip install polygraphy
mindstudio-probe`, best into a folder of their own that PYTHONPATH names) are left out where they are not installed.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.contenders import Contender, contenders
from benchmarks.document import deliver
from benchmarks.machine import plain_read
from benchmarks.rounds import Timing, in_rounds, timed
from parity.metrics import compare

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_MIB = 2**20
# What would take longer than this for one comparison, going by the size before, is left out.
_MOST_SECONDS = 30.0


def pair(dtype: torch.dtype, mebibytes: int) -> tuple[Tensor, Tensor]:
    """Two tensors of that many MiB each: normal values, and the same with relative noise of a rounding or two."""
    generator = torch.Generator().manual_seed(0)
    count = mebibytes * _MIB // dtype.itemsize
    reference = torch.randn(count, generator=generator)
    noise = torch.randn(count, generator=generator).mul_(2 * torch.finfo(dtype).eps).add_(1)
    return (reference * noise).to(dtype).view(-1, 2048), reference.to(dtype).view(-1, 2048)


def measure(found: Sequence[Contender], sizes: Sequence[int], rounds: int, progress: Console) -> list[dict[str, Any]]:
    """Give one row for each dtype, size and contender."""
    rows: list[dict[str, Any]] = []
    for name, dtype in DTYPES.items():
        seconds_per_mebibyte = dict.fromkeys((c.name for c in found), 0.0)
        for size in sizes:
            progress.print(f"{name}, {size} MiB")
            sides = pair(dtype, size)
            chosen = [c for c in found if seconds_per_mebibyte[c.name] * size < _MOST_SECONDS]
            running = {c.name: partial(c.compare, *sides) for c in chosen if c.compare is not None}
            # The largest take seconds each: fewer rounds of them.
            timings = in_rounds(running, max(3, min(rounds, rounds * 64 // size)))
            seconds_per_mebibyte |= {contender: timing.median / size for contender, timing in timings.items()}
            rows += [_row(c, name, size, timings) for c in found if c.name in timings]
            del sides, running
            gc.collect()
    return rows


def _row(contender: Contender, dtype: str, size: int, timings: dict[str, Timing]) -> dict[str, Any]:
    timing, nbytes = timings[contender.name], 2 * size * _MIB
    return {
        "contender": contender.name,
        "threads": contender.threads,
        "dtype": dtype,
        "mebibytes": size,
        "median_seconds": timing.median,
        "best_seconds": timing.best,
        "best_processor_seconds": timing.processor,
        "gigabytes_per_second": nbytes / timing.median / 1e9,
        "best_gigabytes_per_second": nbytes / timing.best / 1e9,
        "gigabytes_per_processor_second": nbytes / timing.processor / 1e9,
        "times_as_long_as_ours": timing.median / timings["ours"].median,
    }


def show(document: dict[str, Any], out: Console) -> None:
    """Print the rows as a table: sizes across."""
    for key, value in document["machine"].items():
        out.print(f"{key}: {value}", markup=False)
    reads = " and ".join(f"{value:.1f}" for value in document["plain_read_gigabytes_per_second"])
    out.print(
        f"plain read on one thread, before and after: {reads} GB/s; first use: {document['first_use_seconds']:.1f} s"
    )
    for name, why in document["missing"].items():
        out.print(f"left out: {name} ({why})", markup=False)
    sizes = list(dict.fromkeys(row["mebibytes"] for row in document["rows"]))
    title = (
        "GB of both tensors a second: median, best / best for one thread by processor time; x: times as long as ours"
    )
    table = Table("dtype", "contender", "threads", *(f"{size} MiB each" for size in sizes), title=title, box=None)
    for dtype in DTYPES:
        for name, threads in dict.fromkeys((row["contender"], row["threads"]) for row in document["rows"]):
            cells = [_cell(document["rows"], dtype, name, size) for size in sizes]
            table.add_row(dtype, name, str(threads), *(cell or "-" for cell in cells))
    out.print(table)


def _cell(rows: list[dict[str, Any]], dtype: str, contender: str, size: int) -> str:
    for row in rows:
        if (row["dtype"], row["contender"], row["mebibytes"]) == (dtype, contender, size):
            speeds = (
                row["gigabytes_per_second"],
                row["best_gigabytes_per_second"],
                row["gigabytes_per_processor_second"],
            )
            return "{:.2g}, {:.2g} / {:.2g}".format(*speeds) + f" x{row['times_as_long_as_ours']:.3g}"
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--sizes", default="1,16,256,1024", help="MiB of each tensor (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds for small sizes (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    first_use, _ = timed(partial(compare, *pair(torch.float32, 1)))
    reads = [plain_read(1) / 1e9]
    found = contenders()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    rows = measure(found, sizes, arguments.rounds, Console(stderr=True))
    document = {
        "missing": {c.name: c.missing for c in found if c.compare is None},
        "finds": {c.name: c.finds for c in found},
        "first_use_seconds": first_use,
        "plain_read_gigabytes_per_second": [*reads, plain_read(1) / 1e9],
        "rows": rows,
    }
    return deliver(document, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
