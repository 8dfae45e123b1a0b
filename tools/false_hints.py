"""Count what blame says of a correct port whose values legitimate noise alone has moved: it must say nothing else.

Exit codes: 0 no hint but rounding, 1 a hint that is false, 2 bad input.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console

from parity.cli.options import commas, positive
from parity.errors import BadInputError
from parity.ltx23.controls import NOISES, Moved, moved
from parity.ltx23.stage import Case
from parity.ltx23.stages import Choice, chosen_cases, stage_of
from parity.ltx23.world import World


def main(argv: Sequence[str] | None = None) -> int:
    """Count over every small case of the stages in both precisions, and tell each false hint."""
    parser = argparse.ArgumentParser(prog="false_hints", description=__doc__)
    out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    parser.add_argument("--stage", type=commas, default=(), help="stages, separated by commas (default: all)")
    parser.add_argument("--every", type=positive, default=1, help="look at every Nth value that is moved (default: 1)")
    try:
        arguments = parser.parse_args(argv)
        cases = [case for case in chosen_cases(Choice(stages=arguments.stage)) if not case.real_size]
    except BadInputError as error:
        err.print(f"false_hints: {error}", markup=False)
        return 2
    counts: Counter[tuple[str, str]] = Counter()
    start = time.perf_counter()
    with World() as world:
        for case in cases:
            for noise, found in _moved(case, world, arguments.every):
                said = "false" if found.misled else "none" if found.hint is None else "rounding"
                counts[noise, said] += 1
                if found.misled and found.hint is not None:
                    out.print(f"{noise}: {case.id}: {found.tap}: {found.hint.words}", markup=False)
            err.print(f"{case.id}: {counts.total():,} values moved so far", markup=False)
    for noise in NOISES:
        told = ", ".join(f"{counts[noise, said]:,} {said}" for said in ("none", "rounding", "false"))
        out.print(f"{noise:12} {told}")
    stages = {stage_of(case).id for case in cases}
    out.print(f"{len(cases)} cases of {len(stages)} stages, {time.perf_counter() - start:.0f} s")
    return 1 if any(counts[noise, "false"] for noise in NOISES) else 0


def _moved(case: Case, world: World, every: int) -> Iterator[tuple[str, Moved]]:
    for noise in NOISES:
        # Against float32 there is one comparison, and none for what computes in bfloat16 whatever it is asked.
        both = len(case.dtypes) == 2
        for dtype in case.dtypes if noise != "bfloat16" else case.dtypes[:1] if both else ():
            for found in moved(case, dtype, noise, world, every):
                yield noise, found


if __name__ == "__main__":
    sys.exit(main())
