"""Which tap is blamed: the first whose error its inputs do not explain, from isolated values or from chained ones."""

import pytest
import torch
from blame_cases import draw
from torch import Tensor

from parity.blame import HintKind, Operations, locate
from parity.blame.operations import Row
from parity.capture import Mode
from parity.taps import Port, TapPlan, TapPoint

NAMES = ("stage.one.in", "stage.one.first", "stage.one.second", "stage.one.third", "stage.one.out")


def plan(*names: str, constant: str | None = None) -> TapPlan:
    """Taps in order; each is an output in both implementations, but for the constant."""

    def shown(name: str) -> str:
        return "attr.x" if name == constant else "out"

    points = [
        TapPoint(name, "group", {side: Port.parse(f"{side}.{name}>{shown(name)}") for side in ("port", "official")})
        for name in names or NAMES
    ]  # fmt: skip
    return TapPlan(tuple(points))


def recording(seed: int = 0, shape: tuple[int, ...] = (2, 6, 10)) -> dict[str, Tensor]:
    return {name: draw(seed + place, shape) for place, name in enumerate(NAMES)}


def changed(values: dict[str, Tensor], **by: Tensor) -> dict[str, Tensor]:
    return {name: by.get(name.rsplit(".", 1)[1], value) for name, value in values.items()}


def test_equal_recordings_blame_nothing():
    reference = recording()
    own = {name: value.clone() for name, value in reference.items()}
    assert locate(plan(), {Mode.CHAINED: own, Mode.ISOLATED: own}, reference) is None
    assert locate(plan(), {Mode.CHAINED: own}, reference) is None


def test_isolated_values_tell_where_an_error_is_born():
    """Chained, everything behind the second tap is off; isolated, the third alone is."""
    reference = recording()
    chained = {name: value * (1 if name.endswith((".in", ".first")) else 1.1) for name, value in reference.items()}
    isolated = changed(reference, third=2 * reference["stage.one.third"])
    blame = locate(plan(), {Mode.CHAINED: chained, Mode.ISOLATED: isolated}, reference)
    assert blame is not None
    assert (blame.tap, blame.mode, blame.kind) == ("stage.one.third", "isolated", HintKind.FACTOR)
    assert "born there" in blame.evidence
    assert "all of 120 elements differ" in blame.pattern
    assert blame.places["port"] == "port.stage.one.third>out"


def test_chained_values_alone_are_judged_against_the_errors_before():
    """A large error behind a tiny one is born there; one as large as the one before it may be handed down."""
    reference = recording()
    own = changed(reference, first=reference["stage.one.first"] * (1 + 1e-6), third=-reference["stage.one.third"])
    blame = locate(plan(), {Mode.CHAINED: own}, reference, over=lambda tap, _: tap.endswith(("third", "out")))
    assert blame is not None
    assert (blame.tap, blame.kind) == ("stage.one.third", HintKind.SIGN)
    own = changed(own, second=reference["stage.one.second"] * 1.5)
    blame = locate(plan(), {Mode.CHAINED: own}, reference, over=lambda tap, _: tap.endswith("third"))
    assert blame is not None
    assert blame.tap == "stage.one.third"
    assert "handed down" in blame.evidence


def test_what_is_allowed_is_not_blamed():
    reference = recording()
    own = changed(reference, first=reference["stage.one.first"] * 1.5, third=-reference["stage.one.third"])
    modes = {Mode.CHAINED: own, Mode.ISOLATED: own}
    blame = locate(plan(), modes, reference, over=lambda tap, _: tap.endswith("third"))
    assert blame is not None
    assert blame.tap == "stage.one.third"
    assert locate(plan(), modes, reference, over=lambda *_: False) is None


def test_an_error_that_no_single_tap_has_is_drift():
    reference = recording()
    chained = changed(reference, out=reference["stage.one.out"] * 1.01)
    blame = locate(plan(), {Mode.CHAINED: chained, Mode.ISOLATED: reference}, reference)
    assert blame is not None
    assert (blame.tap, blame.hint) == ("stage.one.out", None)
    assert "drift" in blame.evidence


def test_another_tap_of_the_pass_is_named_as_what_was_taken():
    reference = recording()
    own = changed(reference, second=reference["stage.one.out"])
    blame = locate(plan(), {Mode.ISOLATED: own, Mode.CHAINED: own}, reference)
    assert blame is not None
    assert blame.hint == "equals stage.one.out: another value taken in its place"
    own = changed(reference, second=reference["stage.one.first"])
    blame = locate(plan(), {Mode.ISOLATED: own, Mode.CHAINED: own}, reference)
    assert blame is not None
    assert blame.hint is not None
    assert blame.hint.startswith("equals stage.one.first, an earlier value")


def test_a_resolved_constant_is_told_with_both_numbers():
    reference = {**recording(), "stage.one.eps": torch.tensor(1e-6, dtype=torch.float64)}
    own = {**reference, "stage.one.eps": torch.tensor(1e-5, dtype=torch.float64)}
    taps = plan("stage.one.eps", *NAMES, constant="stage.one.eps")
    blame = locate(taps, {Mode.CHAINED: own, Mode.ISOLATED: own}, reference)
    assert blame is not None
    assert (blame.kind, blame.hint) == (
        HintKind.CONSTANT,
        "has 1e-05 where the reference has 1e-06: a resolved constant differs",
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (draw(9, (2, 6, 11)), "its shape is [2, 6, 11], the reference's is [2, 6, 10]"),
        (torch.full((2, 6, 10), torch.nan), "120 NaN of 120 elements of the candidate, first at [0, 0, 0]"),
        (draw(2, (2, 6, 10)).double(), "all numbers are equal, in float64 and not float32"),
    ],
    ids=["shape", "nan", "dtype"],
)
def test_what_cannot_be_compared_is_said_as_such(value, told):
    reference = recording()
    own = changed(reference, second=value)
    blame = locate(plan(), {Mode.CHAINED: own, Mode.ISOLATED: own}, reference)
    assert blame is not None
    assert (blame.tap, blame.pattern, blame.hint) == ("stage.one.second", told, None)


def test_numbers_that_are_not_finite_are_counted_and_placed():
    reference = recording()
    own = changed(reference, second=reference["stage.one.second"].clone())
    own["stage.one.second"][:, :, 3] = torch.inf
    own["stage.one.second"][0, 2, 3] = torch.nan
    blame = locate(plan(), {Mode.CHAINED: own}, reference)
    assert blame is not None
    assert blame.pattern == (
        "1 NaN and 11 infinite of 120 elements of the candidate, first at [0, 0, 3] (at index 3 of axis 2)"
    )


PLACES = {
    "at index 3 of axis 1": (slice(None), 3),
    "in 2..4 of axis 1": (slice(None), slice(2, 5)),
    "in 4..7 of axis 2 (number 1 of 4 equal groups)": (..., slice(4, 8)),
    "at every 2th index of axis 2 from 1": (..., slice(1, None, 2)),
    "at index 1 of axis 0, at index 5 of axis 1": (1, 5),
}


@pytest.mark.parametrize("told", PLACES)
def test_the_pattern_says_where_elements_differ(told):
    reference = {"stage.one.in": draw(0, (2, 6, 16))}
    own = {"stage.one.in": reference["stage.one.in"].clone()}
    own["stage.one.in"][PLACES[told]] += draw(1, tuple(own["stage.one.in"][PLACES[told]].shape))
    blame = locate(plan("stage.one.in"), {Mode.CHAINED: own}, reference)
    assert blame is not None
    assert blame.pattern.endswith(f"of 192 elements differ: {told}")


def test_one_index_with_nearly_all_of_the_error_is_named():
    reference = {"stage.one.in": draw(0, (4, 60))}
    own = {"stage.one.in": reference["stage.one.in"] + 0.01 * draw(1, (4, 60))}
    own["stage.one.in"][:, 17] += 5 * draw(2, (4,))
    blame = locate(plan("stage.one.in"), {Mode.CHAINED: own}, reference)
    assert blame is not None
    assert "of the squared error at index 17 of axis 1" in blame.pattern


def test_of_a_large_tensor_a_window_is_looked_at_in_which_it_differs():
    reference = {"stage.one.in": draw(0, (9, 400, 500))}
    own = {"stage.one.in": reference["stage.one.in"].clone()}
    own["stage.one.in"][8, 300:310, 480:] *= 3
    blame = locate(plan("stage.one.in"), {Mode.CHAINED: own}, reference)
    assert blame is not None
    assert blame.kind is HintKind.FACTOR
    assert "in 300..309 of axis 1, in 480..499 of axis 2, in the window [0:9, 0:400, 250:500]" in blame.pattern
    assert blame.hint is not None
    assert "in 300..309 of axis 1" in blame.hint
    own["stage.one.in"] = reference["stage.one.in"].clone()
    own["stage.one.in"][1, 399, 7] += 1
    blame = locate(plan("stage.one.in"), {Mode.CHAINED: own}, reference)
    assert blame is not None
    assert "at index 1 of axis 0, at index 399 of axis 1, at index 7 of axis 2" in blame.pattern


def test_part_and_names_of_axes_come_from_the_table():
    reference = recording()
    own = changed(reference, second=reference["stage.one.second"].roll(1, 1))
    table = Operations(
        (Row(("*.second",), "gate"), Row(("*",), "other")), (Row(("*",), "", ("batch", "tokens", "channels")),)
    )
    blame = locate(plan(), {Mode.CHAINED: own}, reference, operations=table)
    assert blame is not None
    assert blame.part == "gate"
    assert blame.hint is not None
    assert "along axis 1 (tokens)" in blame.hint
    assert blame.sentence.startswith("gate: all of 120 elements differ; the candidate equals the reference delayed")


def test_single_numbers_that_differ_alike_are_looked_at_together():
    """In bfloat16 one deviation proves nothing, eight that are all the same other statistic do."""
    names, own, reference = [], {}, {}
    for step in range(8):
        x = (draw(step, (2, 5, 8)) + 0.8).bfloat16()
        for name, value in ((f"stage.step{step}.x", x), (f"stage.step{step}.std", x.float().std().bfloat16())):
            names.append(name)
            own[name] = reference[name] = value
        own[f"stage.step{step}.std"] = x.float().square().mean().sqrt().bfloat16()
    blame = locate(plan(*names), {Mode.CHAINED: own, Mode.ISOLATED: own}, reference)
    assert blame is not None
    assert (blame.tap, blame.kind) == ("stage.step0.std", HintKind.STATISTIC)
    assert blame.hint is not None
    assert "root mean square of stage.step0.x" in blame.hint
    alone = {name: own[name] if "step0" in name else reference[name] for name in names}
    blame = locate(plan(*names), {Mode.CHAINED: alone, Mode.ISOLATED: alone}, reference)
    assert blame is not None
    assert blame.kind is None
