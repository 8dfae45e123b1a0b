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
        first = {mode: next((name for name in plan.names if over(name, mode)), None) for mode in own}
        chained = first.get(Mode.CHAINED) is not None
        if chained in self._done or not any(first.values()):
            return None
        self._done.add(chained)
        try:
            return locate(plan, own, reference, over, self._operations)
        # A verdict must not be lost to its explanation, whatever the values are that it cannot cope with.
        except Exception as error:
            tap = next(name for name in (first.get(Mode.CHAINED), *first.values()) if name is not None)
            told = str(error).splitlines()[0] if str(error) else "no message"
            evidence = f"the explanation failed: {type(error).__name__}: {told}"
            return Blame(tap, self._operations.part(tap), "not explained", None, evidence)
