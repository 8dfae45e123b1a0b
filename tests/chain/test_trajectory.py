"""Two chains followed step by step: where an error is born, what a step and what guidance make of it."""

from dataclasses import replace

import pytest
import torch
from chain_cases import Error, Guided, fresh, linear, matrix, start

from parity.chain import Chain, Outcome, OutcomeKind
from parity.errors import BadInputError, IncompleteError
from parity.trajectory import StepError, follow

STEPS = 6


def wrong_in(step: int, size: float = 0.05) -> Error:
    """Small errors everywhere, and one step that is wrong."""
    small = {f"step{number:02d}.passes.{key}": 1e-5 for number in range(STEPS) for key in "ab"}
    return fresh({**small, f"step{step:02d}.passes.a": size})


@pytest.mark.parametrize("step", range(STEPS))
def test_the_reset_test_names_the_step_that_is_wrong(step: int) -> None:
    found = follow(Guided(STEPS).chain("truth"), Guided(STEPS, wrong_in(step)).chain("own"), start())
    assert found.suspects() == (step,)
    # Chained, every step from there on is far off, so that alone it would not tell.
    assert [one.chained > 1e-3 for one in found.steps] == [number >= step for number in range(STEPS)]
    assert [one.local > 1e-3 for one in found.steps] == [number == step for number in range(STEPS)]


def test_of_two_steps_the_wrong_one_is_suspect() -> None:
    """Held to the other alone, not to a middle that it is part of."""
    sizes = {"step00.passes.a": 1e-4, "step01.passes.a": 1e-2}
    assert follow(Guided(2).chain("t"), Guided(2, fresh(sizes)).chain("o"), start()).suspects() == (1,)


def test_steps_that_err_alike_are_not_suspect() -> None:
    sizes = {f"step{number:02d}.passes.{key}": 1e-3 for number in range(STEPS) for key in "ab"}
    assert follow(Guided(STEPS).chain("t"), Guided(STEPS, fresh(sizes)).chain("o"), start()).suspects() == ()


def test_an_error_passes_through_a_step_with_the_steps_own_gain() -> None:
    """x -> 0.8 x + 0.2 (3a - 2b) is a linear map: what it makes of the error is known."""
    step = 0.8 * torch.eye(48) + 0.2 * (3 * matrix("a") - 2 * (0.9 * matrix("a") + 0.1 * matrix("b")))
    truth, own = Guided(STEPS).chain("t"), Guided(STEPS, wrong_in(0)).chain("o")
    # Its own rounding in every step is no part of what the step makes of the error.
    own = replace(own, represent=lambda _, tensor: tensor.to(torch.bfloat16).float())
    found = follow(truth, own, start())
    assert found.steps[0].gain is not None, "the start is rounded as well"
    x = y = start()["x"]
    for number, links in truth.steps.items():
        y = own.held({"x": y})["x"]
        expected = (step @ (y - x)).norm() / (step @ x).norm() / ((y - x).norm() / x.norm())
        assert found.steps[number].gain == pytest.approx(float(expected), rel=1e-3)
        x, y = truth.through(links, {"x": x})["x"], own.through(links, {"x": y})["x"]


def test_guidance_is_held_to_the_conditioned_pass() -> None:
    """An error of the first pass alone becomes three times as large, relative to what guidance gives."""
    found = follow(Guided(2).chain("t"), Guided(2, fresh({"step00.passes.a": 1e-2})).chain("o"), start())
    (before,) = [visit for visit in Guided(2).chain("t").walk(start()) if visit.link.name == "step00.guidance"]
    expected = 3 * float(before.before["a"].norm() / before.given["guided"].norm())
    assert found.guidance[0].chained == pytest.approx(expected, rel=1e-3)
    assert found.guidance[0].local == pytest.approx(expected, rel=1e-3)
    assert found.guidance[1].local is None, "fed the reference's state, the second step has no error"
    assert found.guidance[1].chained is not None


def test_a_run_follows_itself_without_error() -> None:
    found = follow(Guided(2).chain("t"), Guided(2).chain("o"), start())
    assert found.steps == (StepError(0, "x", 0.0, 0.0, None), StepError(1, "x", 0.0, 0.0, None))
    assert found.final == {"x": 0.0}
    assert found.quality == ()


def test_each_kind_of_outcome_has_its_measures() -> None:
    shapes = {"frames": (2, 12, 12, 3), "sound": (2, 4096)}

    def with_outcomes(chain: Chain, scale: float) -> Chain:
        last = chain.links[-1]
        made = {key: torch.sin(torch.arange(torch.Size(shape).numel()).float()).view(shape) * scale
                for key, shape in shapes.items()}  # fmt: skip
        end = replace(last, gives=("x", *made), forward=lambda state: {**last.forward(state), **made})
        outcomes = (Outcome("frames", OutcomeKind.FRAMES), Outcome("sound", OutcomeKind.SOUND, 48000))
        return replace(chain, links=(*chain.links[:-1], end), outcomes=outcomes)

    found = follow(with_outcomes(Guided(2).chain("t"), 1.0), with_outcomes(Guided(2).chain("o"), 0.9), start())
    measured = {(one.outcome, one.measure): one.value for one in found.quality}
    assert list(measured) == [
        ("frames", "PSNR"), ("frames", "SSIM"), ("sound", "SNR"), ("sound", "log-spectral distance"),
    ]  # fmt: skip
    assert measured["sound", "SNR"] == pytest.approx(20.0, abs=1e-3)
    assert found.final == pytest.approx({"frames": 0.1, "sound": 0.1}, rel=1e-4)


def test_chains_that_cannot_be_followed_are_refused() -> None:
    with pytest.raises(BadInputError, match="no steps"):
        follow(linear("t", {"a": matrix("a")}), linear("o", {"a": matrix("a")}), start())
    with pytest.raises(IncompleteError, match="9 links"):
        follow(Guided(2).chain("t"), Guided(3).chain("o"), start())
