"""From links measured one by one to the drift at the end of the run."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from parity.chain import Chain, State
from parity.chain.progress import Progress, silent
from parity.chain.vectors import length, ratio
from parity.errors import BadInputError, IncompleteError
from parity.forecast.carry import Error, Passage, carry
from parity.forecast.gains import PROBE, Combinations, gains, merged, merged_combinations
from parity.forecast.local import Use, by_component, local_errors, relative_size
from parity.forecast.model import Injection, drawn_signs, drawn_white, mean_correlations, together
from parity.forecast.record import ComponentForecast, Distribution, Forecast, Gain
from parity.forecast.rounding import rounding_alone, rounding_beside, rounding_sizes

LEAST_PROBE = 2.0**-10
"""Local errors below this are made larger before they are carried, and the result smaller by as much: the differences
of a float32 chain must stand out from its own rounding."""
FLOOR_SCALE = 2.0**12
"""How much larger the truth's own rounding is carried, for the same reason."""


@dataclass(frozen=True)
class Plan:
    """What a forecast is drawn from: the truth's runs from `starts` (by seed), `draws` of errors along each.

    BadInputError where there are none.
    """

    starts: Mapping[int, State]
    draws: int = 3

    def __post_init__(self) -> None:
        if not self.starts or self.draws < 1:
            got = f"{len(self.starts)} starts, {self.draws} draws"
            raise BadInputError("forecast", got, "one of each or more", "ask for more")


@dataclass
class _Gathered:
    """What was measured along the runs so far, by outcome and component."""

    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    floors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    factors: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    uses: dict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    correlations: dict[str, list[tuple[float | None, float | None]]] = field(default_factory=lambda: defaultdict(list))
    links: list[list[Gain]] = field(default_factory=list)
    steps: list[list[Gain]] = field(default_factory=list)
    combinations: Combinations = field(default_factory=Combinations)


def forecast(truth: Chain, own: Chain, plan: Plan, progress: Progress = silent) -> Forecast:
    """Predict the drift of `own` from `truth`; `own` is never run beyond one link.

    Along the truth's run from each start the local errors of `own` are measured, errors like them are drawn and
    carried to the end: all components at once for the distribution, each alone for what it contributes. The gains of
    links and steps are measured beside, with white probes. IncompleteError for chains that do not pair off, and where
    an error is relative to nothing.
    """
    gathered = _Gathered()
    for done, (seed, start) in enumerate(plan.starts.items()):
        progress(f"{own.name}: from seed {seed}", done, len(plan.starts))
        uses = local_errors(truth, own, start)
        _note_local(gathered, uses)
        _note_carried(gathered, truth, start, uses, (seed, plan.draws))
        links, steps = gains(truth, start, seed)
        gathered.links.append(links)
        gathered.steps.append(steps)
    progress(own.name, len(plan.starts), len(plan.starts))
    return _forecast(gathered, truth, own, plan)


def _note_local(gathered: _Gathered, uses: Sequence[Use]) -> None:
    for component, found in by_component(uses).items():
        size = relative_size(found)
        if not math.isfinite(size):
            got = "an error where the truth is zero throughout"
            raise IncompleteError(f"component {component}", got, "something to be relative to", "choose another start")
        gathered.uses[component] = found
        gathered.sizes[component].append(size)
        gathered.correlations[component].append(mean_correlations(found))


def _note_carried(gathered: _Gathered, truth: Chain, start: State, uses: list[Use], drawn: tuple[int, int]) -> None:
    seed, draws = drawn
    sizes = {name: found[-1] for name, found in gathered.sizes.items()}
    largest = max(sizes.values())
    scale = max(1.0, LEAST_PROBE / largest) if largest > 0 else 1.0
    totals, floor = _totals(truth, start, uses, (seed, draws, scale))
    alone = [_alone([u for u in uses if u.component == name], (seed, scale)) for name in truth.components]

    def watch(passage: Passage) -> None:
        if passage.probe < draws:
            gathered.combinations(passage)

    outcomes, errors = carry(truth, start, [*totals, floor, *alone], watch)
    for outcome in truth.outcomes:
        key, size = outcome.key, length([outcomes[outcome.key]])
        reached = [_relative(error, key, size) for error in errors]
        gathered.samples[key] += [error / scale for error in reached[:draws]]
        gathered.floors[key].append(reached[draws] / FLOOR_SCALE)
        for component, error in zip(truth.components, reached[draws + 1 :], strict=True):
            local = sizes[component]
            gathered.factors[component, key].append(error / (scale * local if local > 0 else PROBE))


def _totals(
    truth: Chain, start: State, uses: list[Use], drawn: tuple[int, int, float]
) -> tuple[list[Injection], Injection]:
    """Draw the errors of all components with the truth's own rounding behind the first, and that rounding alone."""
    seed, draws, scale = drawn
    sizes = rounding_sizes(truth, start, seed)
    alone = drawn_white(rounding_alone(uses, sizes), _seed(seed, 0), FLOOR_SCALE)
    anew = rounding_beside(uses, sizes)
    seeds = [_seed(seed, draw) for draw in range(draws)]
    return [together(drawn_signs(uses, each, scale), drawn_white(anew, each, scale)) for each in seeds], alone


def _alone(uses: list[Use], drawn: tuple[int, float]) -> Injection:
    """Draw the errors of one component; a component that makes none gets a probe, to see what errors would become."""
    seed, scale = drawn
    if any(use.error > 0 for use in uses):
        return drawn_signs(uses, _seed(seed, 0), scale)
    return drawn_white(((use, PROBE * use.value) for use in uses), _seed(seed, 0))


def _seed(seed: int, draw: int) -> int:
    return seed * 1_000_003 + draw


def _relative(error: Error, key: str, size: float) -> float:
    return ratio(length([error[key]]), size) if key in error else 0.0


def _forecast(gathered: _Gathered, truth: Chain, own: Chain, plan: Plan) -> Forecast:
    keys = [outcome.key for outcome in truth.outcomes]
    outcomes = {key: Distribution(tuple(gathered.samples[key])) for key in keys}
    components = tuple(_component(gathered, name, keys) for name in truth.components)
    added = {key: sum(c.contribution(key) ** 2 for c in components) ** 0.5 for key in keys}
    return Forecast(
        truth=truth.name,
        numerics=own.name,
        seeds=tuple(plan.starts),
        outcomes=outcomes,
        components=components,
        links=merged(gathered.links),
        steps=merged(gathered.steps),
        combinations=merged_combinations(gathered.combinations.found),
        additivity={key: ratio(added[key], outcomes[key].median) for key in keys},
        floors={key: median(gathered.floors[key]) for key in keys},
    )


def _component(gathered: _Gathered, name: str, keys: Sequence[str]) -> ComponentForecast:
    links, tensors = zip(*gathered.correlations[name], strict=True)
    return ComponentForecast(
        component=name,
        uses=len({use.link for use in gathered.uses[name]}),
        locals=tuple(gathered.sizes[name]),
        across_links=_median_known(links),
        across_tensors=_median_known(tensors),
        amplifications={key: tuple(gathered.factors[name, key]) for key in keys},
    )


def _median_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
