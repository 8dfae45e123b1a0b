"""What a forecast says."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Distribution:
    """Relative L2 errors of an outcome, one for each draw."""

    samples: tuple[float, ...]

    def quantile(self, level: float) -> float:
        """Give a quantile, between samples by a straight line; NaN without samples."""
        return float(np.quantile(self.samples, level)) if self.samples else float("nan")

    @property
    def median(self) -> float:
        """The middle one."""
        return self.quantile(0.5)


@dataclass(frozen=True)
class ComponentForecast:
    """What one component contributes; a figure for each seed.

    `locals` are its relative L2 errors by itself (root mean square over its `uses`), `amplifications`, for each
    outcome, the relative L2 error there as a multiple of that. `across_links` and `across_tensors` say how far its
    errors in different steps, and in different passes, point the same way (mean correlation; None where there are no
    two to compare).
    """

    component: str
    uses: int
    locals: tuple[float, ...]
    across_links: float | None
    across_tensors: float | None
    amplifications: Mapping[str, tuple[float, ...]]

    @property
    def local(self) -> float:
        """The median local error."""
        return median(self.locals)

    def amplification(self, outcome: str) -> float:
        """Give the median amplification."""
        return median(self.amplifications[outcome])

    def contribution(self, outcome: str) -> float:
        """Give the median relative L2 error that the component alone causes at an outcome."""
        return median(a * size for a, size in zip(self.amplifications[outcome], self.locals, strict=True))


@dataclass(frozen=True)
class Gain:
    """What a link, or all links of a step, make of a relative error without a preferred direction."""

    name: str
    gain: float


@dataclass(frozen=True)
class Combination:
    """What a linear combination makes of the errors of its parts: guidance, of its passes.

    `parts` and `weights` begin with the part that the result is compared with (the conditioned pass). `correlations`
    is [parts][parts]. `amplification` is the relative error of the result over that of the first part;
    `by_weights` what the weights and the correlations say it is, `independent` what it would be without correlation.
    """

    link: str
    result: str
    parts: tuple[str, ...]
    weights: tuple[float, ...]
    correlations: tuple[tuple[float, ...], ...]
    amplification: float
    by_weights: float
    independent: float


@dataclass(frozen=True)
class Forecast:
    """The drift of one implementation from the truth, predicted from its links one by one.

    `seeds` are those whose runs of the truth were used, `additivity` is for each outcome the root of the sum of
    squared contributions over the median: 1 where errors are small enough to add up. `floors` are what the truth's own
    rounding ends in: as far from the truth is whatever differs from it in a bit.
    """

    truth: str
    numerics: str
    seeds: tuple[int, ...]
    outcomes: Mapping[str, Distribution]
    components: tuple[ComponentForecast, ...]
    links: tuple[Gain, ...]
    steps: tuple[Gain, ...]
    combinations: tuple[Combination, ...]
    additivity: Mapping[str, float]
    floors: Mapping[str, float]
