"""How much a block amplifies an error that it receives."""

import math
from collections import defaultdict

from parity.capture import Recording
from parity.metrics import compare
from parity.taps import TapPlan, TapPoint


def block_gains(plan: TapPlan, chained: Recording, forced: Recording, fed: Recording) -> dict[str, float]:
    """Give, for each block that received an error, (relative L2 error out) / (relative L2 error in).

    Both runs are of one implementation: chained, and with block inputs `fed` in the place of its own. Their
    difference at the outputs is what the block made of the difference at its inputs. All streams of a block count
    together. (`forced` shows what reached an input before it was replaced, which the block never received.)
    """
    groups: dict[str, list[TapPoint]] = defaultdict(list)
    for tap in plan:
        groups[tap.group].append(tap)
    gains = {}
    for group, taps in groups.items():
        received = _relative([tap.name for tap in taps if tap.boundary], chained, fed)
        handed_on = _relative([tap.name for tap in taps if tap.output], chained, forced)
        if received > 0 and any(tap.output for tap in taps):
            gains[group] = handed_on / received
    return gains


def _relative(names: list[str], left: Recording, right: Recording) -> float:
    squares = norms = 0.0
    for name in names:
        found = compare(left[name], right[name])
        norms += found.norm_reference**2
        squares += (found.relative_l2 * found.norm_reference) ** 2
    return math.sqrt(squares / norms) if norms > 0 else 0.0
