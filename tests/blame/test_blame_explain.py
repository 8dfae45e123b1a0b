"""A run is explained once, at its first divergence, and its verdict never depends on the explanation."""

import pytest
import torch
from blame_cases import draw

from parity.blame import Explainer, Operations
from parity.blame.operations import Row
from parity.capture import Mode
from parity.taps import Port, TapPlan, TapPoint

PLAN = TapPlan(tuple(TapPoint(name, "group", {"port": Port.parse(f"{name}>out")}) for name in ("a", "b")))
REFERENCE = {"a": draw(0, (3, 8)), "b": draw(1, (3, 8))}
WRONG = {"a": REFERENCE["a"], "b": REFERENCE["b"] * 2}
TABLE = Operations((Row(("*",), "part"),))


def over(tap: str, _: Mode) -> bool:
    return tap == "b"


def test_only_the_first_pass_that_diverges_is_blamed():
    explainer = Explainer(TABLE)
    modes = {Mode.CHAINED: WRONG, Mode.ISOLATED: WRONG}
    assert explainer.explain(PLAN, {Mode.CHAINED: REFERENCE}, REFERENCE, lambda *_: False) is None
    blame = explainer.explain(PLAN, modes, REFERENCE, over)
    assert blame is not None
    assert (blame.tap, blame.part) == ("b", "part")
    assert explainer.explain(PLAN, modes, REFERENCE, over) is None


def test_a_pass_that_diverges_on_its_own_values_is_blamed_behind_one_that_does_in_forced_modes_alone():
    """It is the first divergence then, whose blame the report shows."""
    explainer = Explainer(TABLE)
    modes = {Mode.CHAINED: REFERENCE, Mode.ISOLATED: WRONG}
    assert explainer.explain(PLAN, modes, REFERENCE, lambda tap, mode: over(tap, mode) and mode is Mode.ISOLATED)
    assert explainer.explain(PLAN, {Mode.CHAINED: WRONG, Mode.ISOLATED: WRONG}, REFERENCE, over) is not None


def test_an_explanation_that_fails_says_so(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise torch.linalg.LinAlgError("singular\nmatrix")

    monkeypatch.setattr("parity.blame.explain.locate", fails)
    blame = Explainer(TABLE).explain(PLAN, {Mode.CHAINED: WRONG}, REFERENCE, over)
    assert blame is not None
    assert (blame.tap, blame.hint) == ("b", None)
    assert blame.evidence.endswith("LinAlgError: singular")
