"""What each component may err by, so that the run ends within a budget; and what other local errors would end in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median

from parity.chain.vectors import ratio
from parity.errors import BadInputError, IncompleteError
from parity.forecast.record import Distribution, Forecast


class Share(Enum):
    """How a budget is shared out: to every component the same part of the squared error, or in today's proportions."""

    EQUAL = "equal"
    MEASURED = "measured"


@dataclass(frozen=True)
class Allowance:
    """What a component may err by (relative L2, root mean square over its uses), and the outcome that decides it.

    `allowed` is infinite and `outcome` None for a component that reaches no outcome with a budget.
    """

    component: str
    allowed: float
    outcome: str | None


def allocate(forecast: Forecast, budgets: Mapping[str, float], share: Share = Share.EQUAL) -> tuple[Allowance, ...]:
    """Share out budgets (relative L2 by outcome) to the components.

    With errors of these sizes the root of the sum of the squared contributions, (allowed * amplification)^2, is the
    budget where there is one outcome, and at most each budget where there are several: a component gets the least that
    one of them leaves it. BadInputError for an unknown outcome or a budget that is not above 0, and for measured
    proportions where nothing was measured to err.
    """
    for key, budget in budgets.items():
        if key not in forecast.outcomes:
            expected = f"one of {', '.join(forecast.outcomes)}"
            raise BadInputError(f"budget for {key!r}", "no such outcome", expected, "name one")
        if not 0 < budget < float("inf"):
            raise BadInputError(f"budget for {key!r}", f"{budget}", "a number above 0", "give a relative L2 error")
    if not budgets:
        raise BadInputError("budgets", "none", "a budget for one outcome at least", "give one")
    parts = {key: _parts(forecast, key, budget, share) for key, budget in budgets.items()}
    found = []
    for component in forecast.components:
        options = [(parts[key][component.component], key) for key in budgets if component.component in parts[key]]
        allowed, outcome = min(options) if options else (float("inf"), None)
        found.append(Allowance(component.component, allowed, outcome))
    return tuple(found)


def _parts(forecast: Forecast, key: str, budget: float, share: Share) -> dict[str, float]:
    reaching = {c.component: c for c in forecast.components if c.amplification(key) > 0}
    if share is Share.EQUAL:
        part = budget / len(reaching) ** 0.5 if reaching else 0.0
        return {name: part / component.amplification(key) for name, component in reaching.items()}
    added = sum((c.local * c.amplification(key)) ** 2 for c in reaching.values()) ** 0.5
    if added == 0:
        expected = "components that err, to keep their proportions"
        raise BadInputError(f"budget for {key!r}", f"no local error in {forecast.numerics}", expected, "share equally")
    return {name: component.local * budget / added for name, component in reaching.items()}


def with_local_errors(forecast: Forecast, sizes: Mapping[str, float], numerics: str) -> Forecast:
    """Give the forecast for an implementation of which only the local errors are known, by component.

    Each component's amplification is that of the numerics that the forecast was made with. A sample for each seed.
    IncompleteError where a component is missing, BadInputError for an unknown one or a size below 0.
    """
    names = [component.component for component in forecast.components]
    if missing := [name for name in names if name not in sizes]:
        got, expected = f"no local error of {missing[0]} ({len(missing)} missing)", f"one each of {', '.join(names)}"
        raise IncompleteError(f"local errors of {numerics}", got, expected, "measure it too, or give 0")
    for name, size in sizes.items():
        if name not in names or not 0 <= size < float("inf"):
            got, expected = f"{name}: {size}", f"numbers from 0 up for {', '.join(names)}"
            raise BadInputError(f"local errors of {numerics}", got, expected, "correct it")
    components = tuple(replace(c, locals=(sizes[c.component],) * len(c.locals)) for c in forecast.components)
    samples = {
        key: tuple(
            sum((c.amplifications[key][run] * sizes[c.component]) ** 2 for c in components) ** 0.5
            for run in range(len(forecast.seeds))
        )
        for key in forecast.outcomes
    }
    added = {key: sum(c.contribution(key) ** 2 for c in components) ** 0.5 for key in samples}
    return replace(
        forecast,
        numerics=numerics,
        outcomes={key: Distribution(found) for key, found in samples.items()},
        components=components,
        additivity={key: ratio(added[key], median(found)) for key, found in samples.items()},
    )
