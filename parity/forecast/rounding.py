"""What the truth's own rounding makes of a drift that is no larger than it.

As soon as two runs differ in a bit, they round differently: the truth is then as far from itself as it is from what it
would be in exact arithmetic. Against the errors of bfloat16 that is nothing; between two float32 kernels it is most.
"""

import math
from collections.abc import Mapping

import torch

from parity.chain import Chain, State
from parity.chain.vectors import difference, length, moved, white
from parity.forecast.local import Use

_MOVE = 2.0**-20
"""A relative change of some units in the last place of float32: enough that all is rounded anew."""
_LARGER = 2.0**10
"""How many times larger a change is, in proportion, hardly touched by rounding."""

Sizes = Mapping[tuple[int, str], float]


def rounding_sizes(chain: Chain, start: State, seed: int) -> dict[tuple[int, str], float]:
    """Give, for each tensor (link, key) that a link gives, the norm of what rounding anew changes in it.

    A small change of what the link takes is answered by a small change, known from one that is _LARGER times as large,
    and by rounding: the rest of the answer. A link that takes nothing that carries errors rounds the same way always.
    """
    generator = torch.Generator().manual_seed(seed)
    found: dict[tuple[int, str], float] = {}
    for index, link, before, given in chain.walk(start):
        keys = sorted(chain.carried & set(link.takes))
        change = {key: white(before[key], _MOVE * length([before[key]]), generator) for key in keys}
        near = moved(before, change)
        # What float32 really holds of the change, so that holding it is no part of the answer.
        change = {key: near[key] - before[key] for key in keys}
        far = moved(before, {key: error * _LARGER for key, error in change.items()})
        answers = [difference(link(state), given, link.name) for state in (near, far)] if keys else [{}, {}]
        for key in link.gives:
            zero = torch.zeros_like(given[key])
            rest = answers[0].get(key, zero) - answers[1].get(key, zero) / _LARGER
            found[index, key] = length([rest])
    return found


def rounding_alone(uses: list[Use], sizes: Sizes) -> list[tuple[Use, float]]:
    """Give every use with the norm of what rounding anew changes in it."""
    return [(use, sizes[use.link, use.key]) for use in uses]


def rounding_beside(uses: list[Use], sizes: Sizes) -> list[tuple[Use, float]]:
    """Give what rounding anew adds to the local errors.

    Nothing in front of the first link that errs: there both runs are the same. Behind it, what a local error leaves
    of it: that error is itself the difference of two roundings where it is no larger.
    """
    first = min((use.link for use in uses if use.error > 0), default=math.inf)
    return [(use, max(0.0, sizes[use.link, use.key] ** 2 - use.error**2) ** 0.5) for use in uses if use.link > first]
