"""`ltx-parity forecast` and `ltx-parity trajectory`, on chains of no model: tables, JSON, exit codes, refusals."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from parity.chain import Chain, ChainRequest, Link, Outcome, OutcomeKind, State
from parity.cli import forecast, main, trajectory
from parity.errors import BadInputError
from parity.trajectory import StepTaps

WIDTH = 64
OUTCOMES = (Outcome("x", OutcomeKind.LATENT), Outcome("sound", OutcomeKind.SOUND, 48000))


def vector(seed: int) -> torch.Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))


class Toy:
    """A binding whose runs add what is known: `off` errs by 1e-3 in each step, `wrong` elsewhere when assembled."""

    truth = "exact"

    def __init__(self) -> None:
        self.request: ChainRequest | None = None

    def numerics(self) -> Mapping[str, str]:
        return {"exact": "the truth", "off": "errs a little", "chaotic": "errs more when it is off"}

    def step_taps(self) -> StepTaps:
        return StepTaps(("*.next",), "guided", "x0_cond")

    @contextmanager
    def chains(self, request: ChainRequest) -> Iterator["Toy"]:
        self.request = request
        yield self

    def start(self, seed: int) -> State:
        return {"x": vector(seed)}

    def chain(self, numerics: str) -> Chain:
        if numerics not in self.numerics():
            raise BadInputError(f"numerics {numerics!r}", "unknown", "others", "choose one")
        assert self.request is not None

        def forward(step: int):
            error = vector(1000 + step) * 1e-3

            def run(state: State) -> State:
                x = state["x"]
                if numerics == "exact":
                    return {"x": x}
                # Whole numbers of 1/1024 are the truth's; what is off them has erred before.
                before = numerics == "chaotic" and step > 0 and bool((x * 1024 != (x * 1024).round()).any())
                return {"x": x + error * (100 if before else 1)}

            return run

        steps = range(self.request.steps)
        links = [Link(f"step{s:02d}.move", "move", ("x",), ("x",), forward(s), s) for s in steps]
        first = Link("round", "round", ("x",), ("x",), lambda state: {"x": (state["x"] * 1024).round() / 1024})
        last = Link("sing", "sing", ("x",), ("sound",), lambda state: {"sound": state["x"].repeat(2, 64)})
        return Chain(numerics, (first, *links, last), OUTCOMES)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    found = Toy()
    for verb in (forecast, trajectory):
        monkeypatch.setattr(verb, "load_binding", lambda _name: found)
    return found


def document(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


FEW = ["--runs", "2", "--draws", "2", "--quiet"]


def test_a_forecast_is_told_as_tables(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "--steps", "3", *FEW]) == 0
    shown = capsys.readouterr().out
    assert toy.request == ChainRequest(3)
    for title in ("Drift of off", "Components", "What each component alone ends in", "Gains of white noise"):
        assert title in shown
    assert "To end within the budget" not in shown


def test_a_forecast_is_told_as_json(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "--numerics", "off,exact", "--json", *FEW]) == 0
    found = document(capsys)
    assert [one["forecast"]["numerics"] for one in found["forecasts"]] == ["off", "exact"]
    off, exact = found["forecasts"]
    assert off["quantiles"]["x"]["0.5"] == pytest.approx(2e-3, rel=0.5), "four steps of 1e-3, independent"
    assert exact["quantiles"]["x"] == {"0.05": 0.0, "0.5": 0.0, "0.95": 0.0}
    assert off["forecast"]["components"][1]["component"] == "move"


def test_a_forecast_over_the_budget_exits_with_1(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "--budget", "1e-2", *FEW]) == 0
    assert "To end within the budget" in capsys.readouterr().out
    assert main(["forecast", "--budget", "1e-2", "--budget", "x=1e-4", *FEW]) == 1
    shown = capsys.readouterr().out
    assert "over budget: x" in shown
    assert "over budget: sound" not in shown


def test_the_upper_end_of_a_forecast_is_held_to_the_budget(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    main(["forecast", "--json", *FEW])
    upper = document(capsys)["forecasts"][0]["quantiles"]["x"]["0.95"]
    assert main(["forecast", "--budget", f"x={1.01 * upper}", *FEW]) == 0
    assert main(["forecast", "--budget", f"x={0.99 * upper}", *FEW]) == 1


def test_the_check_runs_what_was_forecast(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "--check", "--seeds", "5", "--json", *FEW]) == 0
    (one,) = document(capsys)["forecasts"]
    assert all(found["holds"] and len(found["ratios"]) == 5 for found in one["checked"])


def test_a_run_that_is_not_as_forecast_exits_with_1(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone each link errs little; assembled, one that receives an error errs a hundred times as much."""
    assert main(["forecast", "--numerics", "chaotic", "--check", "--seeds", "3", *FEW]) == 1
    assert "not as forecast: x, 0 of 3 seeds within 2x" in capsys.readouterr().out


def test_local_errors_are_read_from_a_file(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "local.json"
    path.write_text(json.dumps({"round": 0, "move": 1e-2, "sing": 0}))
    assert main(["forecast", "--local", str(path), "--json", *FEW]) == 0
    (one,) = document(capsys)["forecasts"]
    assert one["quantiles"]["x"]["0.5"] == pytest.approx(2e-2, rel=0.5)


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ('{"round": 0, "move": 1e-2}', 3, "no local error of sing"),
        ('{"round": 0, "move": 1e-2, "sing": 0, "smell": 0}', 2, "smell: 0.0"),
        ('{"move": "large"}', 2, "an object of component: relative L2"),
        ('{"move": true}', 2, "an object of component: relative L2"),
        ("[1]", 2, "an object of component: relative L2"),
        ("{", 2, "not strict JSON"),
        ('{"move": 1, "move": 2}', 2, "twice"),
    ],
)
def test_a_bad_file_of_local_errors_is_one_line(
    toy: Toy, tmp_path: Path, content: str, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "local.json"
    path.write_text(content)
    assert main(["forecast", "--local", str(path), *FEW]) == code
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--numerics", "fp4"], "numerics 'fp4'"),
        (["--local", "none.json"], "No such file"),
        (["--local", "none.json", "--check"], "--local: with --check"),
        (["--local", "none.json", "--numerics", "off,exact"], "--local: with 2 numerics"),
        (["--budget", "smell=1"], "no such outcome"),
        (["--check", "--seeds", "1000001"], "--seeds"),
    ],
)
def test_a_bad_request_is_refused_in_one_line(
    toy: Toy, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forecast", *arguments, *FEW]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", "=1", "x=", "x=0"])
def test_a_budget_is_a_number_above_0(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", "--budget", text])
    assert stopped.value.code == 2
    assert "is not an error above 0" in capsys.readouterr().err


def test_numerics_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the real binding, the truth first."""
    assert main(["forecast", "--list", "--json"]) == 0
    found = document(capsys)
    assert next(iter(found)) == "float32"
    assert {"bf16", "rope-grid-bf16", "ff-fp8"} < set(found)
    assert main(["forecast", "--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(found)


def test_a_trajectory_is_told_as_tables_and_json(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trajectory", "--candidate", "chaotic", "--steps", "4", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "chaotic beside exact" in shown
    assert "SNR" in shown
    assert main(["trajectory", "--candidate", "chaotic", "--steps", "4", "--json", "--quiet"]) == 0
    found = document(capsys)
    assert [one["step"] for one in found["steps"]] == [0, 1, 2, 3]
    assert found["suspects"] == []
    assert {one["measure"] for one in found["quality"]} == {"SNR", "log-spectral distance"}


def test_equal_runs_have_infinite_quality_in_json(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trajectory", "--candidate", "exact", "--json", "--quiet"]) == 0
    assert document(capsys)["quality"][0]["value"] == "inf"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "0 dumps"),
        (["one.h5"], "1 dumps"),
        (["one.h5", "two.h5", "--candidate", "off"], "2 dumps and --candidate"),
        (["one.h5", "two.h5", "--reference", "exact"], "--reference with dumps"),
        (["one.h5", "two.h5"], "no such file"),
        (["--candidate", "fp4"], "numerics 'fp4'"),
    ],
)
def test_a_trajectory_of_nothing_is_refused(
    toy: Toy, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trajectory", *arguments, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
