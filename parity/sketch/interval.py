"""A figure that is known to lie somewhere, and how well a share of draws says what the share of the whole is."""

import math
from dataclasses import dataclass

CONFIDENCE = 0.9
"""How often an interval holds the figure, at least."""
DEVIATIONS = 1.6448536269514722
"""Within so many standard deviations a normal variable lies with that probability."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure as estimated, and the least and the most it is at 90 % confidence; all three the same where exact."""

    estimate: float
    low: float
    high: float

    @staticmethod
    def exactly(figure: float) -> "Interval":
        """A figure that is known."""
        return Interval(figure, figure, figure)

    @staticmethod
    def unknown() -> "Interval":
        """A figure of which nothing is known but that it is not negative."""
        return Interval(math.nan, 0.0, math.inf)

    def over(self, divisor: float) -> "Interval":
        """Divide by a figure that is not negative; 0/0 is 0, x/0 infinite."""
        if not math.isfinite(divisor):
            return Interval.unknown()
        return Interval(*(_ratio(figure, divisor) for figure in (self.estimate, self.low, self.high)))


def share_interval(count: int, draws: int) -> Interval:
    """Give what share of a whole has a property that `count` of `draws` elements have (Wilson's interval)."""
    if draws == 0:
        return Interval(math.nan, 0.0, 1.0)
    share, square = count / draws, DEVIATIONS**2
    middle = (share + square / (2 * draws)) / (1 + square / draws)
    half = DEVIATIONS / (1 + square / draws) * math.sqrt(share * (1 - share) / draws + square / (4 * draws**2))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def quantile_ranks(level: float, draws: int) -> tuple[int, int, int]:
    """Give the places, in ordered draws, of a quantile and of the ends of its interval."""
    half = DEVIATIONS * math.sqrt(draws * level * (1 - level))
    places = (level * draws, level * draws - half, level * draws + half)
    return tuple(min(max(math.ceil(place) - 1, 0), draws - 1) for place in places)  # type: ignore[return-value]


def _ratio(figure: float, divisor: float) -> float:
    if divisor > 0:
        return figure / divisor
    return figure if figure == 0 or math.isnan(figure) else math.inf
