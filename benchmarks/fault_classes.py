"""Planted faults: the class of the faulty module's tap, and of what lies before and behind it.

    python -m benchmarks.fault_classes [--every 1] [--stage STAGES] [--output FILE]

Each fault of `ltx-parity run --list` is planted in the port on the case and pass that show it, judged chained and
isolated by its own suite, and in bfloat16 by the suite `drift` too (but for whole generations, of which there is no
truth, and where the release is not the installed one).
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from parity.binding import silent
from parity.classify import Class, Classified
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.choice import installed
from parity.ltx23.fault import Fault
from parity.ltx23.stages import CASES, FAULTS
from parity.ltx23.suites import Job, run_job
from parity.ltx23.world import Variation, World
from parity.report import as_report
from parity.run.forward import Mode
from parity.run.record import RunResult

HEADINGS = ("fault", "suite", "first bug", "at the faulty tap", "bugs", "drift behind", "other", "what is wrong")


def classes(fault: Fault, suite: str) -> list[Classified]:
    """Classify every tap of the pass that shows a fault."""
    modes = (Mode.CHAINED, Mode.ISOLATED)
    job = Job(suite, CASES[fault.case], fault.dtype, fault.release, (fault.forward,), modes=modes)
    with World(variation=Variation(fault), release=fault.release) as world:
        result = RunResult((run_job(job, world, BINDING.budgets(), silent, RECORDINGS),), {})
    (case,) = as_report(result, BINDING.bands()).cases
    return [one for forward in case.forwards for one in forward.classes or ()]


def row(fault: Fault, suite: str) -> tuple[str, ...]:
    """Give the row of one fault in one suite."""
    found = classes(fault, suite)
    at = next((one for one in found if one.tap == fault.tap), None)
    first = next((one for one in found if one.kind is Class.BUG), None)
    behind = sum(one.behind is not None for one in found)
    bugs = sum(one.kind is Class.BUG for one in found)
    others = Counter(
        one.kind.value for one in found if one.kind in (Class.DRIFT, Class.INCOMPLETE) and one.behind is None
    )
    return (
        fault.id,
        suite,
        "none" if first is None else "the faulty tap" if first.tap == fault.tap else first.tap,
        "not judged" if at is None else at.kind.value,
        str(bugs),
        str(behind),
        ", ".join(f"{count} {kind}" for kind, count in others.items()) or "-",
        fault.wrong,
    )


def rows(stages: tuple[str, ...], every: int) -> Iterator[tuple[str, ...]]:
    """Give the rows of every so many faults."""
    chosen = [fault for fault in FAULTS.values() if not stages or fault.stage in stages]
    for fault in chosen[::every]:
        yield row(fault, fault.suite)
        drifts = fault.dtype is torch.bfloat16 and fault.stage != "pipeline"
        if drifts and fault.suite == "exact" and fault.release == installed():
            yield row(fault, "drift")


def main() -> None:
    """Plant faults and print what their taps are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="every so many faults (default: %(default)s)")
    parser.add_argument("--stage", default="", help="stages, separated by commas (default: all)")
    parser.add_argument("--output", type=Path, help="write the table there as well")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [HEADINGS, tuple("---" for _ in HEADINGS)]
    counted: Counter[tuple[str, str]] = Counter()
    for found in rows(tuple(filter(None, arguments.stage.split(","))), arguments.every):
        lines.append(found)
        counted[found[1], found[3] if found[2] == "the faulty tap" else f"{found[3]}, first bug elsewhere"] += 1
        sys.stderr.write(f"{' | '.join(found[:7])}\n")
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    for (suite, kind), count in sorted(counted.items()):
        text += f"\n\n{suite}: {count} faults are {kind} at the faulty tap"
    sys.stdout.write(text + "\n")
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
