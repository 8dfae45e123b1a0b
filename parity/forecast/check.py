"""The assembled run beside its forecast."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from parity.chain import Chain, State
from parity.chain.progress import Progress, silent
from parity.chain.vectors import length, ratio
from parity.errors import BadInputError, IncompleteError
from parity.forecast.record import Forecast


@dataclass(frozen=True)
class Checked:
    """The drift of one outcome: predicted (median) and measured, relative L2 for each seed.

    It holds where every measured drift is within `factor` of the predicted median, either way; two zeros are.
    """

    outcome: str
    predicted: float
    measured: Mapping[int, float]
    factor: float

    @property
    def ratios(self) -> tuple[float, ...]:
        """Measured over predicted, for each seed."""
        return tuple(
            ratio(drift, self.predicted) if drift or self.predicted else 1.0 for drift in self.measured.values()
        )

    @property
    def middle(self) -> float:
        """The median of what was measured."""
        return median(self.measured.values())

    @property
    def within(self) -> int:
        """How many seeds are within the factor."""
        return sum(1 / self.factor <= found <= self.factor for found in self.ratios)

    @property
    def holds(self) -> bool:
        """Whether all are."""
        return self.within == len(self.measured)


def check(
    chains: tuple[Chain, Chain],
    forecast: Forecast,
    starts: tuple[Sequence[int], Callable[[int], State]],
    factor: float = 2.0,
    progress: Progress = silent,
) -> tuple[Checked, ...]:
    """Run the truth and the implementation (`chains`) whole from each seed, and hold the drift to the forecast.

    `starts` are the seeds and what makes a start from one. BadInputError for no seed, or for one that the forecast was
    made from: a forecast is not checked against what it has seen.
    """
    seeds, start = starts
    seen = sorted(set(seeds) & set(forecast.seeds))
    if not seeds or seen:
        got = f"seed {seen[0]} is one of the forecast's" if seen else "no seed"
        raise BadInputError("check", got, "one seed or more that the forecast has not seen", "choose others")
    truth, own = chains
    measured: dict[str, dict[int, float]] = {key: {} for key in forecast.outcomes}
    for done, seed in enumerate(seeds):
        progress(f"{own.name}: assembled, seed {seed}", done, len(seeds))
        expected, found = truth.run(start(seed)), own.run(start(seed))
        for key in measured:
            if found[key].shape != expected[key].shape:
                got = f"shape {tuple(found[key].shape)}"
                raise IncompleteError(f"{own.name}, {key}", got, f"{tuple(expected[key].shape)}", "lay both out alike")
            measured[key][seed] = ratio(length([found[key] - expected[key]]), length([expected[key]]))
    progress(own.name, len(seeds), len(seeds))
    return tuple(Checked(key, forecast.outcomes[key].median, found, factor) for key, found in measured.items())
