"""Negative controls: legitimate computations that no calibration has seen, and how many of them raise an alarm.

    python benchmarks/negative_controls.py --runs 300 --output controls.json

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
from collections.abc import Callable, Iterator
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
from parity.ltx23.stage import SEED, Case
from parity.ltx23.stages import chosen_cases
from parity.ltx23.variants import Joined, half_ulp, yardstick
from parity.ltx23.world import World

# Calibrations draw from SEED on, one up for each round.
FIRST_SEED = SEED + 10_000


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


def control(number: int, case: Case, dtype: torch.dtype, bands: Bands) -> dict[str, Any]:
    """Run one control and say what its taps are."""
    draw = random.Random(number)
    name = str(dtype).removeprefix("torch.")
    with World(inputs=FIRST_SEED + number) as world, threads(1):
        held, member = yardstick(world, case, dtype), drawn(draw, world, case, dtype)
        side = draw.choice(("official", "port"))
        table = held.measure(member, world.port(case, dtype) if side == "port" else None)
        found: dict[str, Any] = {"case": case.id, "dtype": name, "side": side, "member": member.name, "seed": number}
        for against in AGAINST:
            classes = classify_table(held.passes, table, bands, name, against)
            found[against] = dict(Counter(one.kind.value for one in classes))
            alarms = [one for one in classes if one.kind not in (Class.IDENTICAL, Class.WITHIN_NOISE)]
            found[f"{against}_first"] = [f"{one.kind.value}: {one.tap}: {one.evidence}" for one in alarms[:3]]
    return found


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Count the runs by their worst class, and the taps by class."""
    told: dict[str, Any] = {"runs": len(found), **machine()}
    for against in AGAINST:
        taps = Counter[str]()
        for one in found:
            taps.update(one[against])
        told[against] = {
            "runs_with_a_bug": sum("bug" in one[against] for one in found),
            "runs_above_within_noise": sum(bool(one[f"{against}_first"]) for one in found),
            "runs_that_differ": sum("within noise" in one[against] for one in found),
            "taps": dict(taps),
        }
    told["kinds"] = dict(Counter(kind for one in found for kind in one["member"].split("+")))
    told["cases"] = len({(one["case"], one["dtype"]) for one in found})
    return told


def main() -> None:
    """Run controls and print what they were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first run: others draw otherwise")
    parser.add_argument("--stage", default="", help="stages, separated by commas (default: all calibrated)")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    bands = committed_bands()
    cases = chosen_cases((), tuple(filter(None, arguments.stage.split(","))))
    places = [(c, d) for c in cases for d in c.dtypes if bands.covers(c.id, str(d).removeprefix("torch."))]
    found, begun = [], time.monotonic()
    for number in range(arguments.first, arguments.first + arguments.runs):
        found.append(control(number, *places[number % len(places)], bands))
        alarms = [*found[-1]["truth_first"], *found[-1]["reference_first"]]
        told = f"{found[-1]['case']} {found[-1]['dtype']} {found[-1]['side']} {found[-1]['member']}"
        sys.stderr.write(f"{number} {time.monotonic() - begun:.0f} s {told} {alarms[:1] or ''}\n")
    result = summary(found)
    if arguments.output:
        arguments.output.write_text(json.dumps({"summary": result, "runs": found}, indent=1), encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
