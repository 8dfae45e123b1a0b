"""The verdict on a tap of which only an interval is known: it may be that there is none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import torch

from parity.judge import Budget, Rule
from parity.sketch.estimate import Difference
from parity.sketch.interval import Interval


class Standing(Enum):
    """How a tap of two sketches stands.

    IDENTICAL: the same bits, by their digests. WITHIN: the high end of every gated figure is within its bound. OVER:
    the low end of one is over. UNDECIDED: neither; the tensors themselves would have to be compared.
    """

    IDENTICAL = "identical"
    WITHIN = "within"
    OVER = "over"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judged:
    """A standing, the bound of each gated figure, and what decided, or what was not decided."""

    standing: Standing
    bounds: Mapping[str, float]
    reasons: tuple[str, ...]


def judge_difference(
    found: Difference, identical: bool, size: tuple[int, float], budget: Budget, working: torch.dtype
) -> Judged:
    """Judge a tap by its budget row as `parity.judge.judge` would judge the tensors, as far as can be told.

    `size` is the number of elements and the norm of the reference. There is no peer: ratios of allowances count for
    nothing. A figure between the ends of its interval and a bound leaves a tap undecided, most often `max_abs`: a
    sketch bounds it by what shares a bucket with it.
    """
    elements, norm = size
    bounds = {} if budget.rule is Rule.BIT_IDENTICAL else _bounds(budget, elements, norm, working)
    figures = {gate: getattr(found, gate) for gate in bounds}
    over, undecided = [], []
    for gate, bound in bounds.items():
        figure: Interval = figures[gate]
        told = f"{gate} {figure.estimate:.2e} ({figure.low:.2e} to {figure.high:.2e}), allowed {bound:.2e}"
        if figure.low > bound:
            over.append(told)
        # Written so that NaN is within nothing.
        elif not figure.high <= bound:
            undecided.append(told)
    if found.nonfinite.candidate.total + found.nonfinite.reference.total:
        over.append("nonfinite")
    if elements == 0:
        over.append("no elements")
    if budget.rule is Rule.BIT_IDENTICAL and not identical:
        over.append("not the same bits")
    if over:
        return Judged(Standing.OVER, bounds, tuple(over))
    if identical:
        return Judged(Standing.IDENTICAL, bounds, ())
    return Judged(Standing.UNDECIDED if undecided else Standing.WITHIN, bounds, tuple(undecided))


def _bounds(budget: Budget, elements: int, norm: float, working: torch.dtype) -> dict[str, float]:
    if budget.rule is Rule.SAME_VALUES:
        return {"max_abs": 0.0}
    epsilon, scale = torch.finfo(working).eps, norm / math.sqrt(max(elements, 1))
    return {
        gate: allowance.bound(0.0, epsilon, scale if gate == "max_abs" else 1.0)
        for gate, allowance in budget.allowances.items()
    }
