"""The verdict on one tap: what was measured, what was allowed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import torch

from parity.judge.budget import Budget, Rule
from parity.metrics import ErrorMap, TensorComparison


class Verdict(Enum):
    """How a tap stands."""

    IDENTICAL = "identical"
    WITHIN = "within"
    OVER = "over"


@dataclass(frozen=True)
class Measurement:
    """A tap of the candidate against the truth, and the reference's own error there, if it has a peer.

    `against_reference`: whether the candidate has the same bits as the reference in its own precision. `map`: where the
    error against the truth lies, for the readings that are worth one.
    """

    comparison: TensorComparison
    peer: TensorComparison | None
    against_reference: bool
    map: ErrorMap | None = None


@dataclass(frozen=True)
class TapPlace:
    """Where a measurement was taken: case, forward pass, tap and the group it reports to, and mode."""

    case: str
    forward: str
    tap: str
    group: str
    mode: str


@dataclass(frozen=True)
class TapResult:
    """How one tap stands; `exceeded` maps each broken gate to (figure, bound)."""

    place: TapPlace
    rule: Rule
    verdict: Verdict
    measurement: Measurement
    bounds: Mapping[str, float]
    exceeded: Mapping[str, tuple[float, float]]

    @property
    def usage(self) -> float:
        """The largest share of a bound that was used: 0 for identical, above 1 for over budget."""
        if self.verdict is Verdict.IDENTICAL:
            return 0.0
        if self.exceeded.keys() - self.bounds.keys():
            return math.inf
        shares = [_share(_figure(self.measurement.comparison, gate), bound) for gate, bound in self.bounds.items()]
        return max(shares, default=0.0)


def judge(place: TapPlace, measurement: Measurement, budget: Budget, working: torch.dtype) -> TapResult:
    """Judge one tap by its budget row; `working` is the precision whose epsilon the floors count in."""
    comparison = measurement.comparison
    bounds = _bounds(measurement, budget, working)
    exceeded = {
        gate: (_figure(comparison, gate), bound)
        for gate, bound in bounds.items()
        # Written so that NaN exceeds every bound.
        if not _figure(comparison, gate) <= bound
    }
    if comparison.has_nonfinite:
        exceeded["nonfinite"] = (float(_nonfinite(comparison)), 0.0)
    if budget.rule is Rule.BIT_IDENTICAL and not comparison.identical:
        exceeded["bits"] = (comparison.relative_l2, 0.0)
    if comparison.elements == 0:
        exceeded["elements"] = (0.0, 1.0)
    if exceeded:
        verdict = Verdict.OVER
    else:
        verdict = Verdict.IDENTICAL if comparison.identical or measurement.against_reference else Verdict.WITHIN
    return TapResult(place, budget.rule, verdict, measurement, bounds, exceeded)


def _bounds(measurement: Measurement, budget: Budget, working: torch.dtype) -> dict[str, float]:
    if budget.rule is Rule.BIT_IDENTICAL:
        return {}
    if budget.rule is Rule.SAME_VALUES:
        return {"max_abs": 0.0}
    epsilon = torch.finfo(working).eps
    comparison, peer = measurement.comparison, measurement.peer
    scale = comparison.norm_reference / math.sqrt(max(comparison.elements, 1))
    return {
        gate: allowance.bound(
            0.0 if peer is None else _figure(peer, gate), epsilon, scale if gate == "max_abs" else 1.0
        )
        for gate, allowance in budget.allowances.items()
    }


def _figure(comparison: TensorComparison, gate: str) -> float:
    return float(getattr(comparison, gate))


def _nonfinite(comparison: TensorComparison) -> int:
    return comparison.nonfinite.candidate.total + comparison.nonfinite.reference.total


def _share(figure: float, bound: float) -> float:
    if math.isnan(figure):
        return math.inf
    if bound > 0:
        return figure / bound
    return 0.0 if figure == 0 else math.inf
