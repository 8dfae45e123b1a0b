"""Budgets shared out, and local errors from elsewhere."""

import math

import pytest
from chain_cases import fresh, linear, matrix, start

from parity.errors import BadInputError, IncompleteError
from parity.forecast import (
    ComponentForecast,
    Distribution,
    Forecast,
    Plan,
    Share,
    allocate,
    forecast,
    with_local_errors,
)


def component(name: str, local: float, **amplification: float) -> ComponentForecast:
    return ComponentForecast(name, 1, (local,), None, None, {key: (value,) for key, value in amplification.items()})


def two_outcomes(locals_: tuple[float, float, float] = (1e-3, 2e-3, 4e-3)) -> Forecast:
    components = (
        component("block", locals_[0], frames=2.0, sound=8.0),
        component("video", locals_[1], frames=1.0, sound=0.0),
        component("audio", locals_[2], frames=0.0, sound=3.0),
    )
    outcomes = {"frames": Distribution((3e-3,)), "sound": Distribution((1e-2,))}
    return Forecast(
        "truth",
        "own",
        (0,),
        outcomes,
        components,
        (),
        (),
        (),
        {"frames": 1.0, "sound": 1.0},
        {"frames": 0.0, "sound": 0.0},
    )


@pytest.mark.parametrize("share", Share)
def test_an_allocation_adds_up_to_the_budget(share: Share) -> None:
    made = two_outcomes()
    for key in ("frames", "sound"):
        allowed = {one.component: one.allowed for one in allocate(made, {key: 1e-2}, share)}
        reached = [c for c in made.components if c.amplification(key) > 0]
        ends = math.sqrt(sum((allowed[c.component] * c.amplification(key)) ** 2 for c in reached))
        assert ends == pytest.approx(1e-2)
        assert all(math.isinf(allowed[c.component]) for c in made.components if c not in reached)


def test_an_allocation_that_is_used_up_ends_at_the_budget() -> None:
    """On a chain that is run with exactly what was allowed."""
    names = [f"link{number}" for number in range(4)]
    maps = {name: matrix(name) * scale for name, scale in zip(names, (1.0, 3.0, 0.4, 1.2), strict=True)}
    truth = linear("truth", maps)
    plan = Plan({seed: start() for seed in range(30)}, 1)
    made = forecast(truth, linear("own", maps, fresh(dict.fromkeys(names, 1e-3))), plan)
    allowed = {one.component: one.allowed for one in allocate(made, {"x": 0.02})}
    ends = forecast(truth, linear("allowed", maps, fresh(allowed)), plan)
    assert ends.outcomes["x"].median == pytest.approx(0.02, rel=0.15)


def test_equal_shares_are_of_the_squared_error() -> None:
    allowed = {one.component: one for one in allocate(two_outcomes(), {"frames": 1e-2})}
    assert allowed["block"].allowed == pytest.approx(1e-2 / math.sqrt(2) / 2)
    assert allowed["video"].allowed == pytest.approx(1e-2 / math.sqrt(2))


def test_measured_shares_keep_the_proportions() -> None:
    allowed = {one.component: one.allowed for one in allocate(two_outcomes(), {"frames": 1e-2}, Share.MEASURED)}
    assert allowed["block"] / allowed["video"] == pytest.approx(1e-3 / 2e-3)


def test_the_strictest_outcome_decides() -> None:
    allowed = {one.component: one for one in allocate(two_outcomes(), {"frames": 1e-2, "sound": 1e-2})}
    assert allowed["block"].outcome == "sound"
    assert allowed["block"].allowed == pytest.approx(1e-2 / math.sqrt(2) / 8)
    assert allowed["video"].outcome == "frames"
    assert allowed["audio"].outcome == "sound"


@pytest.mark.parametrize(
    ("budgets", "told"),
    [
        ({"smell": 1e-2}, "no such outcome"),
        ({"frames": 0.0}, "above 0"),
        ({"frames": math.nan}, "above 0"),
        ({}, "none"),
    ],
    ids=["outcome", "zero", "nan", "none"],
)
def test_a_budget_that_means_nothing_is_refused(budgets: dict[str, float], told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        allocate(two_outcomes(), budgets)


def test_proportions_need_something_measured() -> None:
    with pytest.raises(BadInputError, match="no local error in own"):
        allocate(two_outcomes((0.0, 0.0, 0.0)), {"frames": 1e-2}, Share.MEASURED)


def test_local_errors_from_elsewhere_are_amplified_alike() -> None:
    found = with_local_errors(two_outcomes(), {"block": 1e-2, "video": 0.0, "audio": 1e-2}, "zig")
    assert found.numerics == "zig"
    assert found.outcomes["frames"].median == pytest.approx(2e-2)
    assert found.outcomes["sound"].median == pytest.approx(math.hypot(8e-2, 3e-2))


@pytest.mark.parametrize(
    ("sizes", "kind", "told"),
    [
        ({"block": 1e-2, "video": 0.0}, IncompleteError, "no local error of audio"),
        ({"block": 1e-2, "video": 0.0, "audio": 0.0, "text": 0.0}, BadInputError, "text: 0.0"),
        ({"block": -1.0, "video": 0.0, "audio": 0.0}, BadInputError, "block: -1.0"),
        ({"block": math.nan, "video": 0.0, "audio": 0.0}, BadInputError, "block: nan"),
    ],
    ids=["missing", "unknown", "negative", "nan"],
)
def test_local_errors_must_be_those_of_the_components(
    sizes: dict[str, float], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        with_local_errors(two_outcomes(), sizes, "zig")
