"""Forecasts against chains whose answer is known in closed form."""

import math
from dataclasses import replace
from statistics import mean

import pytest
import torch
from chain_cases import WIDTH, Error, Guided, counted, fresh, linear, matrix, no_error, start, vector

from parity.chain import Chain, Link, Outcome, OutcomeKind, State
from parity.errors import BadInputError, IncompleteError
from parity.forecast import Checked, Forecast, Plan, check, forecast
from parity.forecast.local import Use, local_errors
from parity.forecast.model import drawn_signs, drawn_white, mean_correlations, together
from parity.forecast.rounding import rounding_sizes

NAMES = tuple(f"link{number}" for number in range(5))
SIZES = dict(zip(NAMES, (1e-2, 2e-3, 5e-3, 1e-3, 3e-3), strict=True))
# Gains of 1/2 to 2, so that a component weighs by its place.
SCALES = dict(zip(NAMES, (1.0, 2.0, 0.5, 1.5, 0.7), strict=True))


def maps(offset: float = 0.0) -> dict[str, torch.Tensor]:
    """Maps that stretch what they carry unlike what they make of a random vector: relative gains are not 1."""
    return {name: SCALES[name] * (matrix(name) + offset * torch.eye(WIDTH)) for name in NAMES}


def analytic(sizes: dict[str, float]) -> dict[str, float]:
    """Give what each link alone ends in: the root of sum_k e_k^2 |T_k|^2, over the columns of the maps behind it."""
    weights = maps()
    x = start()["x"]
    errors = {}
    for name in NAMES:
        x = weights[name] @ x
        errors[name] = fresh(sizes)(name, x)
    found, behind = {}, torch.eye(WIDTH)
    for name in reversed(NAMES):
        found[name] = float((behind.square().sum(dim=0) @ errors[name].square()).sqrt() / x.norm())
        behind = behind @ weights[name]
    return found


def predicted(sizes: dict[str, float], draws: int) -> Forecast:
    truth, own = linear("truth", maps()), linear("own", maps(), fresh(sizes))
    return forecast(truth, own, Plan({0: start()}, draws))


def test_the_drift_of_a_linear_chain_is_the_analytic_one() -> None:
    draws = 400
    found = predicted(SIZES, draws).outcomes["x"].samples
    expected = sum(value**2 for value in analytic(SIZES).values())
    squares = [sample**2 for sample in found]
    spread = math.sqrt(mean((square - mean(squares)) ** 2 for square in squares) / draws)
    assert len(found) == draws
    assert abs(mean(squares) - expected) < 4 * spread
    assert spread < 0.05 * expected, "too few draws to tell"


def test_what_a_component_alone_ends_in_is_the_analytic_share() -> None:
    truth, own = linear("truth", maps()), linear("own", maps(), fresh(SIZES))
    found = forecast(truth, own, Plan({seed: start() for seed in range(60)}, 1))
    for component in found.components:
        # One draw for each seed: their mean square is close to what is expected of one.
        shares = [(a * size) ** 2 for a, size in zip(component.amplifications["x"], component.locals, strict=True)]
        assert math.sqrt(mean(shares)) == pytest.approx(analytic(SIZES)[component.component], rel=0.15)
        assert component.local == pytest.approx(SIZES[component.component], rel=1e-3)
    assert found.additivity["x"] == pytest.approx(1.0, abs=0.15)


def test_the_assembled_chain_drifts_as_forecast() -> None:
    made = predicted(SIZES, 50)
    (checked,) = check(
        (linear("truth", maps()), linear("own", maps(), fresh(SIZES, seed=7))), made, (range(1, 30), lambda _: start())
    )
    assert checked.holds
    assert checked.within == 29


def test_an_implementation_that_drifts_otherwise_is_not_as_forecast() -> None:
    made = predicted(SIZES, 20)
    larger = {name: 3 * size for name, size in SIZES.items()}
    (checked,) = check((linear("truth", maps()), linear("own", maps(), fresh(larger))), made, ([1], lambda _: start()))
    assert not checked.holds
    assert checked.ratios[0] == pytest.approx(3, rel=0.4)


def test_a_forecast_is_not_checked_on_its_own_seeds() -> None:
    made = predicted(SIZES, 1)
    chains = (linear("truth", maps()), linear("own", maps(), fresh(SIZES)))
    with pytest.raises(BadInputError, match="seed 0 is one of the forecast's"):
        check(chains, made, (range(3), lambda _: start()))
    with pytest.raises(BadInputError, match="no seed"):
        check(chains, made, ([], lambda _: start()))


def test_the_implementation_is_run_one_link_at_a_time() -> None:
    """Each link once for each start, and always fed what the truth has there."""
    calls: list[tuple[str, dict[str, torch.Tensor]]] = []
    truth = linear("truth", maps())
    forecast(truth, counted(linear("own", maps(), fresh(SIZES)), calls), Plan({0: start()}, 3))
    expected = [(visit.link.name, visit.before["x"]) for visit in truth.walk(start())]
    assert [name for name, _ in calls] == [name for name, _ in expected]
    assert all(torch.equal(fed["x"], x) for (_, fed), (_, x) in zip(calls, expected, strict=True))


def test_rounding_between_links_is_counted_once() -> None:
    """Held in bfloat16, a chain that computes exactly errs by the rounding of what each link gives, and no more."""
    truth = linear("truth", maps())
    own = replace(linear("own", maps()), represent=lambda _, x: x.to(torch.bfloat16).float())
    held = start()["x"].to(torch.bfloat16).float()
    first = maps()["link0"] @ held
    use = local_errors(truth, own, {"x": held})[0]
    assert use.error == pytest.approx(float((first.to(torch.bfloat16).float() - first).norm()), rel=1e-6)
    later = local_errors(truth, own, {"x": held})[1]
    kept = first.to(torch.bfloat16).float()
    second = maps()["link1"] @ kept
    assert later.error == pytest.approx(float((second.to(torch.bfloat16).float() - second).norm()), rel=1e-6)


def repeated(error: torch.Tensor | None, times: int = 9) -> Chain:
    """One component used again and again, that adds to x and errs the same way each time."""

    def forward(state: State) -> State:
        return {"x": state["x"] if error is None else state["x"] + error}

    links = tuple(Link(f"use{number}", "part", ("x",), ("x",), forward) for number in range(times))
    return Chain("repeated", links, (Outcome("x", OutcomeKind.LATENT),))


def test_errors_that_repeat_add_up_and_others_add_in_squares() -> None:
    x = start()["x"]
    error = fresh({"e": 1e-3})("e", x)
    alike = forecast(repeated(None), repeated(error), Plan({0: start()}, 8))
    assert alike.outcomes["x"].median == pytest.approx(9e-3, rel=0.2)
    assert alike.components[0].across_links == pytest.approx(1.0, abs=1e-4)
    assert alike.components[0].local == pytest.approx(1e-3, rel=0.05), "the root of the mean square over the uses"
    names = [f"use{number}" for number in range(9)]
    identity = {name: torch.eye(WIDTH) for name in names}
    unlike = linear("own", identity, fresh(dict.fromkeys(names, 1e-3)))
    one_component = replace(unlike, links=tuple(replace(link, component="part") for link in unlike.links))
    found = forecast(repeated(None), one_component, Plan({0: start()}, 40))
    assert found.outcomes["x"].median == pytest.approx(3e-3, rel=0.25)
    assert abs(found.components[0].across_links) < 0.1


def passes_error(shared: float) -> Error:
    """Errors of the two passes, of one size and of exactly this correlation."""
    along = torch.nn.functional.normalize(vector("along"), dim=0)
    across = vector("across")
    across = torch.nn.functional.normalize(across - (across @ along) * along, dim=0)

    def error(name: str, _: torch.Tensor) -> torch.Tensor:
        return 1e-2 * (along if name.endswith(".a") else shared * along + math.sqrt(1 - shared**2) * across)

    return error


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_guidance_amplifies_what_its_passes_do_not_share(shared: float) -> None:
    """3a - 2b of errors of one size and correlation r is sqrt(9 + 4 - 12 r) of that size."""
    truth, own = Guided(steps=1).chain("truth"), Guided(steps=1, error=passes_error(shared)).chain("own")
    found = forecast(truth, own, Plan({seed: start(seed) for seed in range(6)}, 6))
    (guidance,) = found.combinations
    visits = [visit for seed in range(6) for visit in truth.walk(start(seed)) if visit.link.component == "guidance"]
    size = mean(float(visit.before["a"].norm() / visit.given["guided"].norm()) for visit in visits)
    assert guidance.parts == ("a", "b")
    assert guidance.correlations[0][1] == pytest.approx(shared, abs=0.1)
    assert guidance.amplification == pytest.approx(math.sqrt(13 - 12 * shared) * size, rel=0.15)
    assert guidance.by_weights == pytest.approx(guidance.amplification, rel=1e-3)
    assert guidance.independent == pytest.approx(math.sqrt(13) * size, rel=0.15)


def test_gains_are_relative() -> None:
    """x -> x + c leaves an error as it is and makes what it is relative to larger; a step has the gain of its links."""

    def shift(state: State) -> State:
        return {"x": state["x"] + 3.0}

    links = tuple(Link(f"step{step:02d}.shift", "shift", ("x",), ("x",), shift, step) for step in range(2))
    chain = Chain("c", links, (Outcome("x", OutcomeKind.LATENT),))
    found = forecast(chain, chain, Plan({0: start()}, 1))
    x = start()["x"]
    expected = [float(x.norm() / (x + 3).norm()), float((x + 3).norm() / (x + 6).norm())]
    assert [gain.gain for gain in found.links] == pytest.approx(expected, rel=1e-3)
    assert [gain.gain for gain in found.steps] == pytest.approx(expected, rel=1e-3)
    assert [gain.name for gain in found.steps] == ["step00", "step01"]


def test_errors_below_the_rounding_of_the_chain_are_carried_enlarged() -> None:
    """(x + 1) - 1 in float32 loses an error of 1e-9, which the mathematics does not."""
    x = torch.zeros(WIDTH)
    x[0] = 1.0
    error = torch.zeros(WIDTH)
    error[1:] = 1e-9

    def rounding(state: State) -> State:
        return {"x": (state["x"] + 1.0) - 1.0}

    def chain(added: torch.Tensor | None) -> Chain:
        first = Link("first", "first", ("x",), ("x",), lambda s: {"x": s["x"] if added is None else s["x"] + added})
        return Chain("c", (first, Link("then", "then", ("x",), ("x",), rounding)), (Outcome("x", OutcomeKind.LATENT),))

    found = forecast(chain(None), chain(error), Plan({seed: {"x": x} for seed in range(20)}, 1))
    assert found.components[0].contribution("x") == pytest.approx(float(error.norm()), rel=0.2)


def test_what_is_rounded_anew_is_known_from_exact_arithmetic() -> None:
    """Two float32 products that differ in their input err independently: sqrt(2) of what one errs from float64."""
    truth = linear("truth", maps())
    anew, exactly = 0.0, 0.0
    for seed in range(40):
        sizes = rounding_sizes(truth, start(seed), seed)
        anew += sum(size**2 for size in sizes.values())
        for visit in truth.walk(start(seed)):
            exact = maps()[visit.link.name].double() @ visit.before["x"].double()
            exactly += float((visit.given["x"] - exact).norm()) ** 2
    assert math.sqrt(anew / exactly) == pytest.approx(math.sqrt(2), rel=0.1)


def reordered(name: str, first: int) -> Chain:
    """The same sums in another order from link `first` on: float32 rounds them otherwise."""
    order = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(1))

    def link(index: int, label: str, weight: torch.Tensor) -> Link:
        def forward(state: State) -> State:
            if index < first:
                return {"x": weight @ state["x"]}
            return {"x": (weight[:, order].T * state["x"][order].unsqueeze(1)).sum(dim=0)}

        return Link(label, label, ("x",), ("x",), forward)

    links = tuple(link(index, *each) for index, each in enumerate(maps().items()))
    return Chain(name, links, (Outcome("x", OutcomeKind.LATENT),))


def test_a_drift_as_small_as_the_truths_rounding_is_forecast() -> None:
    truth = linear("truth", maps())
    made = forecast(truth, reordered("own", 0), Plan({seed: start(seed) for seed in range(4)}, 4))
    (checked,) = check((truth, reordered("own", 0)), made, (range(10, 20), start))
    assert checked.holds, checked.ratios
    assert made.outcomes["x"].median < 1e-6
    assert made.floors["x"] == pytest.approx(made.outcomes["x"].median, rel=1.0)


def test_what_comes_before_the_first_error_is_not_rounded_anew() -> None:
    truth = linear("truth", maps())
    late, early = (forecast(truth, reordered("own", first), Plan({0: start()}, 20)) for first in (4, 0))
    assert late.outcomes["x"].median < 0.7 * early.outcomes["x"].median
    assert late.floors == early.floors


def test_without_local_errors_there_is_no_drift() -> None:
    found = forecast(linear("truth", maps()), linear("own", maps()), Plan({0: start()}, 2))
    assert found.outcomes["x"].samples == (0.0, 0.0)
    assert all(component.local == 0 and component.amplification("x") > 0 for component in found.components)


@pytest.mark.parametrize("takes", [("x",), ("x", "y")], ids=["never seen", "seen and dropped"])
def test_an_error_ends_where_a_link_makes_a_tensor_anew(takes: tuple[str, ...]) -> None:
    links = (
        Link("lost", "lost", ("x",), ("y",), lambda state: {"y": state["x"]}),
        Link("anew", "anew", takes, ("y",), lambda state: {"y": 2 * state["x"]}),
    )
    truth = Chain("truth", links, (Outcome("y", OutcomeKind.LATENT),))
    off = replace(links[0], forward=lambda state: {"y": 1.1 * state["x"]})
    found = forecast(truth, replace(truth, links=(off, links[1])), Plan({0: start()}, 2))
    assert found.components[0].local == pytest.approx(0.1)
    assert found.outcomes["y"].samples == (0.0, 0.0)


@pytest.mark.parametrize(("drift", "within"), [(2.1e-3, 1), (1.9e-3, 2), (0.51e-3, 2), (0.49e-3, 1)])
def test_a_forecast_holds_where_every_seed_is_within_the_factor(drift: float, within: int) -> None:
    found = Checked("x", 1e-3, {0: 1e-3, 1: drift}, 2.0)
    assert found.within == within
    assert found.holds == (within == 2)


def test_no_drift_is_forecast_by_no_drift_alone() -> None:
    assert Checked("x", 0.0, {0: 0.0}, 2.0).holds
    assert not Checked("x", 0.0, {0: 1e-9}, 2.0).holds
    assert not Checked("x", 1e-9, {0: 0.0}, 2.0).holds


def test_shapes_that_differ_are_refused() -> None:
    wide = linear("own", {name: torch.zeros(2 * WIDTH, WIDTH) for name in NAMES})
    with pytest.raises(IncompleteError, match="shape"):
        forecast(linear("truth", maps()), wide, Plan({0: start()}, 1))


def test_an_error_relative_to_nothing_is_refused() -> None:
    nothing = {name: torch.zeros(WIDTH, WIDTH) for name in NAMES}

    def error(_name: str, x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, 1e-3)

    with pytest.raises(IncompleteError, match="component link0: an error where the truth is zero"):
        forecast(linear("truth", nothing), linear("own", nothing, error), Plan({0: start()}, 1))


@pytest.mark.parametrize(("starts", "draws"), [({}, 1), ({0: {"x": torch.ones(WIDTH)}}, 0)])
def test_a_forecast_from_nothing_is_refused(starts: dict[int, State], draws: int) -> None:
    with pytest.raises(BadInputError, match="one of each or more"):
        Plan(starts, draws)


def measured():
    return local_errors(linear("truth", maps()), linear("own", maps(), fresh(SIZES)), start())


def test_a_component_is_drawn_alone_as_it_is_among_others() -> None:
    uses = measured()
    all_of_them, alone = drawn_signs(uses, 3), drawn_signs(uses[2:3], 3)
    assert set(all_of_them) == set(range(5))
    assert set(alone) == {2}
    assert torch.equal(all_of_them[2]["x"], alone[2]["x"])
    assert not torch.equal(drawn_signs(uses, 4)[2]["x"], alone[2]["x"])


def test_a_draw_has_the_measured_size_in_every_channel() -> None:
    (use, *_), scale = measured(), 2.0
    drawn = drawn_signs([use], 0, scale)[0]["x"]
    assert use.vector is not None
    assert torch.equal(drawn.abs(), scale * use.vector.abs())
    assert 0.2 < float((drawn.sign() == use.vector.sign()).float().mean()) < 0.8


def test_a_draw_keeps_what_errors_share_but_between_channels() -> None:
    """Inner products of tokens, tensors and links of a component stay; those with another component do not."""
    vectors = [vector(f"{number}", 6 * 32).view(6, 32) for number in range(3)]
    uses = [
        Use(link, component, "x", (6, 32), float(each.norm()), 1.0, each)
        for link, (component, each) in enumerate(zip(("a", "a", "b"), vectors, strict=True))
    ]
    drawn = [drawn_signs(uses, 1)[link]["x"] for link in range(3)]
    torch.testing.assert_close(drawn[0] @ drawn[1].T, vectors[0] @ vectors[1].T)
    assert not torch.allclose(drawn[0] @ drawn[2].T, vectors[0] @ vectors[2].T, atol=1e-2)


def test_injections_add_up() -> None:
    one, two = torch.ones(2), torch.tensor([3.0, 5.0])
    found = together({0: {"x": one, "y": two}}, {0: {"x": two}, 1: {"x": one}})
    assert found[0]["x"].tolist() == [4.0, 6.0]
    assert torch.equal(found[0]["y"], two)
    assert torch.equal(found[1]["x"], one)


def test_correlations_are_told_across_links_and_across_the_tensors_of_a_link() -> None:
    """The same tensor in two steps, and two tensors of one step; never two tensors of two steps."""
    base, other = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    vectors = {(0, "a"): base, (0, "b"): base, (1, "a"): base + other, (1, "b"): base - other}
    uses = [Use(link, "c", key, (3,), float(e.norm()), 1.0, e) for (link, key), e in vectors.items()]
    links, tensors = mean_correlations(uses)
    assert links == pytest.approx(math.sqrt(0.5))
    assert tensors == pytest.approx((1 + 0) / 2)
    assert mean_correlations(uses[:1]) == (None, None)


def test_white_noise_has_the_size_that_it_is_given() -> None:
    use = measured()[0]
    squares = [float(drawn_white([(use, 0.3)], seed, 2.0)[0]["x"].norm()) ** 2 for seed in range(200)]
    assert math.sqrt(mean(squares)) == pytest.approx(0.6, rel=0.05)
    assert drawn_white([(use, 0.0)], 0) == {}


def test_tokens_that_err_alike_are_not_averaged_away() -> None:
    """A link that averages over 16 tokens keeps an error that all of them share, and a quarter of others."""
    x = {"x": matrix("tokens", WIDTH)[:16]}

    def chain(name: str, error: torch.Tensor | None) -> Chain:
        first = Link("first", "first", ("x",), ("x",), lambda s: {"x": s["x"] if error is None else s["x"] + error})
        average = Link("mean", "mean", ("x",), ("x",), lambda s: {"x": s["x"].mean(dim=0)})
        return Chain(name, (first, average), (Outcome("x", OutcomeKind.LATENT),))

    end = float(x["x"].mean(dim=0).norm())
    for error, kept in ((1e-3 * vector("e").expand(16, -1), 1.0), (1e-3 * matrix("e")[:16] * WIDTH**0.5, 0.25)):
        found = forecast(chain("truth", None), chain("own", error), Plan({0: x}, 8)).outcomes["x"].median
        assert found == pytest.approx(kept * float(error.norm()) / 4 / end, rel=0.2)


def test_no_error_is_the_cases_default() -> None:
    assert torch.equal(no_error("x", torch.ones(2)), torch.zeros(2))
