"""How honest the intervals of sketches are: errors planted in real taps, and real ones, against exact comparisons.

`python -m benchmarks.sketch_coverage [--draws N] [--case NAMES] [--json]`. Taps of tiny cases with more elements than
a sketch has buckets, each draw with a tap, a seed and an error of its own. For each kind of error, how often the
interval of 90 % held the relative L2 error; how often one would have that takes its width from the variance of the
squared buckets of the draw itself; how often the bounds of the largest error held; and by how much estimates were off.

One row is of tensors of 1.6 million random elements: those of the tiny cases leave less to chance. The last two kinds
are the whole tap moved by one position, and taps of the port in bfloat16 against the same in float32, each run on its
own values.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import mean, pstdev
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.document import deliver
from parity.ltx23.stages import Choice, chosen_cases
from parity.ltx23.world import World
from parity.run.forward import observe
from parity.sketch.estimate import SPREAD, difference
from parity.sketch.interval import DEVIATIONS
from parity.sketch.plain import read_plain
from parity.sketch.recipe import BUCKETS, Recipe
from parity.sketch.row import Reading, Row, rows_of

DEFAULT = "text-small,latents-small,guided-b1,upsampler-small,vae-small,audio-vae-small,vocoder-small"
SIZE = 1e-2
# Draws of the large tensor, which takes as long as the rest together.
FEWER = 5
Pair = tuple[Tensor, Tensor]
Error = Callable[[Tensor, torch.Generator], Tensor]


def _places(count: Callable[[Tensor], int]) -> Error:
    """Errors of that many elements, drawn from a normal distribution."""

    def error(tensor: Tensor, draw: torch.Generator) -> Tensor:
        found = torch.zeros(tensor.numel(), dtype=torch.float64)
        places = torch.randperm(tensor.numel(), generator=draw)[: count(tensor)]
        found[places] = _normal((len(places),), draw)
        return found.view(tensor.shape)

    return error


def _along(axis: int, width: int) -> Error:
    """Errors of `width` neighbours along an axis, dense in all others."""

    def error(tensor: Tensor, draw: torch.Generator) -> Tensor:
        size = tensor.shape[axis]
        first = int(torch.randint(max(1, size // width), (1,), generator=draw)) * width
        found = torch.zeros(tensor.shape, dtype=torch.float64)
        part = found.narrow(axis, min(first, size - 1), min(width, size - min(first, size - 1)))
        part.copy_(_normal(tuple(part.shape), draw))
        return found

    return error


def _dense(tensor: Tensor, draw: torch.Generator) -> Tensor:
    return _normal(tuple(tensor.shape), draw)


def _heavy(tensor: Tensor, draw: torch.Generator) -> Tensor:
    return _dense(tensor, draw) / _normal((3, *tensor.shape), draw).square().mean(dim=0).sqrt()


def _relative(tensor: Tensor, draw: torch.Generator) -> Tensor:
    return _normal(tuple(tensor.shape), draw) * tensor.double()


def _normal(shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=draw, dtype=torch.float64)


ERRORS: dict[str, Error] = {
    "dense": _dense,
    "in proportion": _relative,
    "one channel": _along(-1, 1),
    "one head (64)": _along(-1, 64),
    "one token": _along(-2, 1),
    "1 element": _places(lambda _: 1),
    "3 elements": _places(lambda _: 3),
    "100 elements": _places(lambda _: 100),
    "heavy tails (t3)": _heavy,
}


@dataclass
class Kind:
    """What was found for one kind of error."""

    draws: int = 0
    held: int = 0
    held_by_own_variance: int = 0
    held_largest: int = 0
    off: list[float] = field(default_factory=list)

    def add(self, pair: Pair, seed: int) -> None:
        """Sketch both tensors by a seed, and hold the estimates against the exact error."""
        own, reference = (_row(tensor, Recipe(seed, 64)) for tensor in pair)
        error = pair[0].double() - pair[1].double()
        exact, largest = float(error.norm()), float(error.abs().max())
        if exact == 0 or reference.norm == 0:
            return
        found = difference("tap", own, reference, ("float64", "float64"))
        relative = exact / reference.norm
        self.draws += 1
        self.held += found.relative_l2.low <= relative <= found.relative_l2.high
        self.held_largest += found.max_abs.low <= largest <= found.max_abs.high
        self.held_by_own_variance += abs(found.relative_l2.estimate / relative - 1) <= _own_spread(own, reference)
        self.off.append(found.relative_l2.estimate / relative - 1)

    def to_json(self, name: str) -> dict[str, Any]:
        """Give shares, and the mean and deviation of how far estimates were off."""
        held = {"held": self.held, "held_by_own_variance": self.held_by_own_variance, "largest": self.held_largest}
        shares = {key: count / self.draws for key, count in held.items()}
        return {"error": name, "draws": self.draws, **shares, "bias": mean(self.off), "deviation": pstdev(self.off)}


def _row(tensor: Tensor, recipe: Recipe) -> Row:
    (found,) = rows_of([Reading(tensor.dtype, tuple(tensor.shape), read_plain(tensor, recipe))])
    return found


def _own_spread(own: Row, reference: Row) -> float:
    """Give what the relative width of the interval would be by the variance of these very squares."""
    squares = (own.bucket_values - reference.bucket_values) ** 2
    total = float(squares.sum())
    variance = float(np.var(squares)) * BUCKETS
    return DEVIATIONS * math.sqrt(variance) / (2 * total) if total > 0 else math.inf


def taps(cases: Sequence[str], progress: Console) -> Iterator[Pair]:
    """Give each tap that is larger than a sketch: in bfloat16, and in float32, both of the port."""
    with World() as world:
        for case in chosen_cases(Choice(tuple(cases))):
            seen = []
            for dtype in (torch.bfloat16, torch.float32):
                progress.print(f"{case.id} {dtype}")
                port = world.port(case, dtype)
                seen.append([observe(port, forward) for forward in world.forwards(case, dtype)])
            for rounded, exact in zip(*seen, strict=True):
                for name in exact.keys() & rounded.keys():
                    pair = rounded[name], exact[name]
                    if exact[name].is_floating_point() and exact[name].numel() > BUCKETS and exact[name].ndim > 1:
                        yield pair


def measure(cases: Sequence[str], draws: int, progress: Console) -> tuple[int, list[dict[str, Any]]]:
    """Give how many taps there are, and a row for each kind of error."""
    pairs = sorted(taps(cases, progress), key=lambda pair: (pair[1].numel(), float(pair[1].double().sum())))
    draw = torch.Generator().manual_seed(1)
    rows = []
    for name, make in ERRORS.items():
        progress.print(name)
        kind = Kind()
        for number in range(draws):
            _, reference = pairs[int(torch.randint(len(pairs), (1,), generator=draw))]
            error = make(reference, draw)
            size = SIZE * float(reference.double().norm()) / max(float(error.norm()), 1e-300)
            kind.add((reference.double() + size * error, reference.double()), number)
        rows.append(kind.to_json(name))
    progress.print("real errors")
    shift, real = Kind(), Kind()
    for number in range(draws):
        rounded, exact = pairs[int(torch.randint(len(pairs), (1,), generator=draw))]
        real.add((rounded, exact), number)
        shift.add((exact.roll(1, dims=-2), exact), number)
    large = Kind()
    for number in range(draws // FEWER):
        reference = _normal((1024, 1536), draw).float()
        large.add((reference + SIZE * _normal((1024, 1536), draw).float(), reference), number)
    rows.append(large.to_json("dense, 1.6 million"))
    return len(pairs), [*rows, shift.to_json("shift by one position"), real.to_json("bfloat16 for float32")]


def show(document: dict[str, Any], out: Console) -> None:
    """Print the rows as a table."""
    for key, value in document["machine"].items():
        out.print(f"{key}: {value}", markup=False)
    out.print(f"taps: {document['taps']:,}; interval: estimate +- {SPREAD:.2%}")
    table = Table("error", "draws", "held", "by own variance", "largest held", "bias", "deviation", box=None)
    for row in document["rows"]:
        shares = (f"{row[key]:.1%}" for key in ("held", "held_by_own_variance", "largest"))
        table.add_row(row["error"], f"{row['draws']:,}", *shares, f"{row['bias']:+.2%}", f"{row['deviation']:.2%}")
    out.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sketch_coverage", description=__doc__)
    parser.add_argument("--case", default=DEFAULT, help="cases, separated by commas (default: one of each stage)")
    parser.add_argument("--draws", type=int, default=2000, help="draws of each kind (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    found, rows = measure(tuple(arguments.case.split(",")), arguments.draws, Console(stderr=True))
    return deliver({"taps": found, "rows": rows}, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
