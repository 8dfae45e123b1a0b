"""Give every reader of files so many mutated inputs, and say what became of them.

    python tools/fuzz_readers.py --count 10000 --seed 1

Exits with 1 where one crashed, hung, took too much memory, passed wrongly, or was not refused in one line; each such
input is written by `--keep FOLDER`.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from fuzz.case import GOOD, Outcome
from fuzz.pool import Tally, case, fuzzed, planted
from fuzz.readers import READERS

from ltx_port.text.transformers_import import transformers_importable


def main(argv: Sequence[str] | None = None) -> int:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(prog="fuzz_readers.py", description="Give every reader mutated files.")
    parser.add_argument("--count", type=int, default=400, help="inputs in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="other numbers, other inputs (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--reader", action="append", choices=sorted(READERS), help="only this one; may be repeated")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the inputs that were treated wrongly there")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    with transformers_importable():
        # Once for all workers, which are forked from here.
        import transformers.models.gemma3.modeling_gemma3  # noqa: F401
    names = tuple(arguments.reader or READERS)
    share, rest = divmod(arguments.count, len(names))
    counts = [share + (position < rest) for position in range(len(names))]
    found = fuzzed(names, counts, arguments.seed, arguments.workers)
    _print(found)
    if arguments.keep is not None:
        _keep(found, arguments.seed, arguments.keep)
    return int(any(tally.findings for tally in found.values()))


def _print(found: dict[str, Tally]) -> None:
    write = sys.stdout.write
    write(f"{'reader':<28}{'inputs':>8}{'refused':>9}{'equal':>7}{'other':>7}{'wrong':>7}{'MiB':>6}{'s':>7}\n")
    totals = [0] * 5
    for name, tally in found.items():
        counts = [tally.counts.total(), *(tally.counts[kind] for kind in GOOD)]
        counts.append(counts[0] - sum(counts[1:]))
        totals = [one + more for one, more in zip(totals, counts, strict=True)]
        inputs, refused, equal, other, wrong = counts
        write(f"{name:<28}{inputs:>8}{refused:>9}{equal:>7}{other:>7}{wrong:>7}")
        write(f"{tally.peak >> 20:>6}{tally.slowest:>7.2f}\n")
    inputs, refused, equal, other, wrong = totals
    write(f"{'all':<28}{inputs:>8}{refused:>9}{equal:>7}{other:>7}{wrong:>7}\n")
    for tally in found.values():
        for one in tally.findings:
            write(f"{one.reader} {one.number}: {one.outcome.value}: {one.told}\n")


def _keep(found: dict[str, Tally], seed: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, tally in found.items():
        with tempfile.TemporaryDirectory() as scratch:
            seeds = planted(READERS[name], Path(scratch)) if tally.findings else []
            for one in tally.findings:
                chosen, raw, _ = case(READERS[name], seeds, seed, one.number)
                kept = one.outcome.name.lower() if isinstance(one.outcome, Outcome) else "lost"
                (folder / f"{name.replace(' ', '-')}-{one.number}-{kept}{chosen.place.suffix}").write_bytes(raw)


if __name__ == "__main__":
    sys.exit(main())
