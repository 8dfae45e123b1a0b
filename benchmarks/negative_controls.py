"""Negative controls: legitimate computations that no calibration has seen, and how many of them raise an alarm.

    python -m benchmarks.negative_controls --runs 300 --output controls.jsonl
    python -m benchmarks.negative_controls --table controls.jsonl others.jsonl

Each run takes a calibrated case and precision in turn, inputs that were not calibrated on, the official code or the
port as the candidate, and ways to compute drawn at random: attention kernel, threads, passes in one batch, inputs moved
by half a unit in the last place, products split, operations in wider precision, alone or together. Its taps are
classified in all modes, against the truth as the suite `drift` does and against the reference as `exact` does.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from parity.calibrate.arithmetic import FAMILIES, attention_kernel, kernels_here, split_products, threads, wider
from parity.calibrate.band import Bands
from parity.calibrate.ensemble import Member
from parity.calibrate.journal import machine
from parity.calibrate.reading import AGAINST
from parity.classify import Class
from parity.classify.tables import classify_table
from parity.ltx23.calibration import committed_bands
from parity.ltx23.choice import installed
from parity.ltx23.stage import SEED, Case
from parity.ltx23.stages import Choice, chosen_cases, stage_of
from parity.ltx23.variants import Joined, half_ulp, yardstick
from parity.ltx23.world import World
from parity.store.bits import dtype_name

# Calibrations draw from SEED on, one up for each round.
FIRST_SEED = SEED + 10_000
ALARMS = frozenset({Class.DRIFT.value, Class.BUG.value, Class.INCOMPLETE.value})
HEADINGS = ("runs", "that differ", "above noise", "with a bug", "taps", "above noise")
# What is said of a run that raises an alarm.
TOLD = ("case", "dtype", "release", "side", "member")
Place = tuple[Case, torch.dtype]


@contextmanager
def _entered(contexts: list[Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context())
        yield


def drawn(draw: random.Random, world: World, case: Case, dtype: torch.dtype) -> Member:
    """Draw one way to compute: each kind of change alone as often as any, and several together one time in four."""
    kinds: dict[str, Callable[[], Any]] = {
        "kernel": lambda: partial(attention_kernel, draw.choice(kernels_here(world.device))),
        "threads": lambda: partial(threads, draw.choice((2, 3, 4))),
        "split": lambda: partial(split_products, draw.uniform(0.05, 0.95)),
        "wider": lambda: partial(wider, *draw.sample(sorted(FAMILIES), draw.randint(1, len(FAMILIES)))),
    }
    joined = Joined(world, case, dtype)
    others = ["inputs", *(["batched"] if joined.possible else [])]
    chosen = draw.sample([*kinds, *others], draw.randint(2, 4) if draw.random() < 0.25 else 1)
    contexts = [kinds[kind]() for kind in chosen if kind in kinds]
    moved = partial(half_ulp, dtype=dtype, seed=draw.getrandbits(60)) if "inputs" in chosen else None
    more = {"observe": joined.observe} if "batched" in chosen else {}
    # Inputs of a joined batch would be moved together: one change of inputs is enough.
    return Member("+".join(chosen), partial(_entered, contexts), moved, **more)


def control(number: int, place: Place, bands: Bands, release: str) -> dict[str, Any]:
    """Run one control and say what its taps are."""
    draw, (case, dtype) = random.Random(number), place
    name = dtype_name(dtype)
    with World(inputs=FIRST_SEED + number, release=release) as world, threads(1):
        held, member = yardstick(world, case, dtype), drawn(draw, world, case, dtype)
        side = draw.choice(("official", "port"))
        table = held.measure(member, world.port(case, dtype) if side == "port" else None)
    told = {"stage": stage_of(case).id, "case": case.id, "dtype": name, "release": release}
    found: dict[str, Any] = {"number": number, **told, "side": side, "member": member.name}
    for against in AGAINST:
        classes = classify_table(held.passes, table, bands.for_case(case.id, name, release), name, against)
        found[against] = dict(Counter(one.kind.value for one in classes))
        alarms = [one for one in classes if one.kind.value in ALARMS]
        found[f"{against}_first"] = [f"{one.kind.value}: {one.tap}: {one.evidence}" for one in alarms[:3]]
    return found


def summary(found: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], Iterable[str]]) -> list[list[Any]]:
    """Count runs and their taps, judged against the truth and against the reference, by a key of the run."""
    rows: dict[str, list[Any]] = {}
    for one in found:
        for name in key(one):
            row = rows.setdefault(name, [name, *[0] * len(HEADINGS)])
            kinds = [kind for against in AGAINST for kind in one[against]]
            differs, bug = "within noise" in kinds or ALARMS & set(kinds), "bug" in kinds
            for at, count in enumerate((1, bool(differs), bool(ALARMS & set(kinds)), bug), start=1):
                row[at] += count
            for against in AGAINST:
                row[5] += sum(one[against].values())
                row[6] += sum(count for kind, count in one[against].items() if kind in ALARMS)
    return list(rows.values())


def tables(found: list[dict[str, Any]]) -> str:
    """Give the counts as Markdown."""
    keys: dict[str, Callable[[dict[str, Any]], Iterable[str]]] = {
        "way": lambda one: one["member"].split("+"),
        "stage": lambda one: [one["stage"]],
        "precision, release": lambda one: [f"{one['dtype']}, {one['release']}"],
        "candidate": lambda one: [one["side"]],
        "all": lambda one: ["all"],
    }
    told = []
    for name, key in keys.items():
        rows = [[name, *HEADINGS], ["---", *["---:"] * len(HEADINGS)], *sorted(summary(found, key))]
        cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
        told.append("\n".join(f"| {' | '.join(row)} |" for row in cells))
    alarms = [
        ", ".join([str(one["number"]), *(one[name] for name in TOLD), against, first])
        for one in found
        for against in AGAINST
        for first in one[f"{against}_first"]
    ]
    return "\n\n".join([*told, *alarms]) + "\n"


def main() -> None:
    """Run controls and print what they were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first run: others draw otherwise")
    parser.add_argument("--stage", default="", help="stages, separated by commas (default: all calibrated)")
    parser.add_argument("--output", type=Path, help="append each run there, a line of JSON")
    parser.add_argument("--table", type=Path, nargs="*", help="run nothing; print the counts of these outputs together")
    arguments = parser.parse_args()
    if arguments.table:
        kept = [json.loads(line) for path in arguments.table for line in path.read_text("utf-8").splitlines()]
        sys.stdout.write(tables(kept))
        return
    release, bands = installed(), committed_bands()
    if release is None:
        parser.error("no official code that the port follows is installed")
    cases = chosen_cases(Choice(stages=tuple(filter(None, arguments.stage.split(",")))))
    places = [(c, d) for c in cases for d in c.dtypes if bands.for_case(c.id, dtype_name(d), release).files]
    found, begun = [], time.monotonic()
    for number in range(arguments.first, arguments.first + arguments.runs):
        found.append(control(number, places[number % len(places)], bands, release))
        alarms = [*found[-1]["truth_first"], *found[-1]["reference_first"]]
        told = f"{found[-1]['case']} {found[-1]['dtype']} {found[-1]['side']} {found[-1]['member']}"
        sys.stderr.write(f"{number} {time.monotonic() - begun:.0f} s {told} {alarms[:1] or ''}\n")
        if arguments.output:
            with arguments.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found[-1]) + "\n")
    sys.stdout.write(f"{json.dumps(dict(machine()))}\n\n{tables(found)}")


if __name__ == "__main__":
    main()
