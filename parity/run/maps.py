"""Which readings get a map of their error: the worst of a pass, and of these the worst of a run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from parity.blame import Operations
from parity.judge import TapResult, Verdict
from parity.metrics import CompareOptions, ErrorMap, TensorComparison, TensorSource, error_map
from parity.run.forward import Mode

# A map takes at most some thousand bytes, so that those of a run are a fifth of a megabyte.
MAPPED = 200
Side = TensorSource | Tensor


def worst(results: Iterable[TapResult], count: int = MAPPED) -> list[int]:
    """Give the positions of the readings to map, of those that are not identical and have an error, worst first.

    The first over budget on the candidate's own values comes first; then what is over budget before what is within, by
    use of budget, isolated before the other modes, and by position.
    """
    listed = list(results)
    over = [at for at, result in enumerate(listed) if result.verdict is Verdict.OVER]
    first = next((at for at in over if listed[at].place.mode == Mode.CHAINED.value), next(iter(over), None))
    differing = [at for at, result in enumerate(listed) if _differs(result)]
    differing.sort(key=lambda at: (at != first, *_rank(listed[at]), at))
    return differing[:count]


def _differs(result: TapResult) -> bool:
    return result.verdict is not Verdict.IDENTICAL and result.measurement.comparison.max_abs > 0


def _rank(result: TapResult) -> tuple[bool, float, bool]:
    return result.verdict is not Verdict.OVER, -result.usage, result.place.mode != Mode.ISOLATED.value


@dataclass(frozen=True)
class Maps:
    """Maps the worst readings of a pass; `operations` says which taps have heads."""

    operations: Operations
    count: int = MAPPED

    def added(
        self,
        results: Sequence[TapResult],
        sides: Callable[[TapResult], tuple[Side, Side]],
        values: Mapping[str, Tensor],
    ) -> list[TapResult]:
        """Give the results, the worst of them with maps.

        `sides` gives what was compared, the candidate first; `values` are the reference's taps, where numbers of heads
        stand.
        """
        listed = list(results)
        for at in worst(listed, self.count):
            found = listed[at]
            own, truth = sides(found)
            seen = self.of(found.place.tap, (own, truth), found.measurement.comparison, values)
            listed[at] = replace(found, measurement=replace(found.measurement, map=seen))
        return listed

    def of(
        self, tap: str, sides: tuple[Side, Side], found: TensorComparison, values: Mapping[str, Tensor]
    ) -> ErrorMap | None:
        """Map the error between two sides whose comparison is known; None where there is none to map."""
        heads = self.operations.heads(tap, found.shape, values)
        seen = error_map(*sides, found.max_abs, heads, CompareOptions(name=tap))
        return None if seen is None else replace(seen, axes=self.operations.axes_of(tap, len(found.shape)))
