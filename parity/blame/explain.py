"""Blame for a run: for its first divergence alone, so that reports stay as fast as they are without it."""

from collections.abc import Mapping

from parity.blame.locate import Over, Values, locate
from parity.blame.operations import Operations
from parity.blame.record import Blame
from parity.capture import Mode
from parity.taps import TapPlan


class Explainer:
    """Blames the first pass of a run that diverges: once on its own values, and once in the forced modes alone."""

    def __init__(self, operations: Operations):
        self._operations = operations
        self._done: set[bool] = set()

    def explain(self, plan: TapPlan, own: Mapping[Mode, Values], reference: Values, over: Over) -> Blame | None:
        """Blame a pass in which something is over; None where an earlier pass of the run has been blamed."""
        chained = any(over(name, Mode.CHAINED) for name in plan.names) if Mode.CHAINED in own else False
        if chained in self._done:
            return None
        self._done.add(chained)
        return locate(plan, own, reference, over, self._operations)
