"""Three ways for a figure to stand to its bound, and nothing that cannot be told is within."""

import math
import re
from dataclasses import replace

import pytest
import torch
from sketch_cases import SUMS, generator, manifest, row, sketch

from parity.errors import ExitCode, IncompleteError
from parity.judge import Allowance, Budget, Budgets, Rule
from parity.sketch.compare import SketchPair, compare_sketches
from parity.sketch.document import SCHEMA, to_document
from parity.sketch.estimate import difference, no_difference
from parity.sketch.interval import Interval
from parity.sketch.judging import Standing, judge_difference
from parity.sketch.recipe import Recipe
from parity.sketch.sheets import divergence_lines, group_sheet, interval_text, open_lines, tap_sheet, verdict_line
from parity.store import DroppedTap

SIZE = (4000, 63.0)


def budget(rule=Rule.PEER, **ceilings):
    allowances = {gate: Allowance(0.0, 1e9, ceiling) for gate, ceiling in ceilings.items()}
    return Budget("toy", rule, ("*",), (), (), allowances, "why", 1)


def found(**figures):
    return replace(no_difference(row(torch.ones(4000))), **figures)


@pytest.mark.parametrize(
    ("low", "high", "standing"),
    [
        (0.1, 0.2, Standing.WITHIN),
        (0.1, 0.3, Standing.WITHIN),
        (0.29, 0.31, Standing.UNDECIDED),
        (0.3, 0.31, Standing.UNDECIDED),
        (0.31, 0.4, Standing.OVER),
        (0.0, math.inf, Standing.UNDECIDED),
        (0.0, math.nan, Standing.UNDECIDED),
    ],
)
def test_within_only_by_the_high_end_and_over_only_by_the_low_one(low, high, standing):
    figure = Interval((low + high) / 2, low, high)
    judged = judge_difference(found(relative_l2=figure), False, SIZE, budget(relative_l2=0.3), torch.float32)
    assert judged.standing is standing
    assert judged.bounds == {"relative_l2": 0.3}
    assert bool(judged.reasons) == (standing is not Standing.WITHIN)


def test_one_figure_over_outranks_one_undecided_and_one_undecided_all_within():
    open_figure, over, within = Interval(1.0, 0.0, 9.0), Interval(2.0, 2.0, 2.0), Interval(0.0, 0.0, 0.0)
    bar = budget(relative_l2=1.0, max_abs=1.0)

    def standing(relative_l2, max_abs):
        # The norm of 4,000 ones is the root of 4,000: bounds of max_abs are in units of 1.
        difference = found(relative_l2=relative_l2, max_abs=max_abs)
        return judge_difference(difference, False, (4000, 4000**0.5), bar, torch.float32).standing

    assert standing(open_figure, over) is Standing.OVER
    assert standing(within, open_figure) is Standing.UNDECIDED
    assert standing(within, within) is Standing.WITHIN


def test_bits_are_judged_by_digests():
    row_of = budget(Rule.BIT_IDENTICAL)
    assert judge_difference(found(), True, SIZE, row_of, torch.float32).standing is Standing.IDENTICAL
    judged = judge_difference(found(), False, SIZE, row_of, torch.float32)
    assert (judged.standing, judged.reasons) == (Standing.OVER, ("not the same bits",))


def test_the_same_values_in_other_bits_are_not_told_from_almost_the_same():
    tensor = torch.randn(4000, generator=generator(1))
    tensor[3] = 0.0
    other = tensor.clone()
    other[3] = -0.0
    seen = difference("tap", row(other), row(tensor), SUMS)
    assert row(other).digest != row(tensor).digest
    judged = judge_difference(seen, False, SIZE, budget(Rule.SAME_VALUES), torch.float32)
    assert judged.standing is Standing.UNDECIDED


@pytest.mark.parametrize("side", [0, 1])
def test_what_is_not_finite_is_over_whatever_the_rest_says(side):
    tensors = [torch.ones(4000), torch.ones(4000)]
    tensors[side][5] = torch.nan
    seen = difference("tap", *map(row, tensors), SUMS)
    judged = judge_difference(seen, False, SIZE, budget(relative_l2=9.0), torch.float32)
    assert judged.reasons == ("nonfinite",)
    same = no_difference(row(tensors[side]))
    assert judge_difference(same, True, SIZE, budget(relative_l2=9.0), torch.float32).standing is Standing.OVER


def test_an_empty_tensor_is_over():
    seen = no_difference(row(torch.empty(0, 64)))
    judged = judge_difference(seen, True, (0, 0.0), budget(relative_l2=9.0), torch.float32)
    assert (judged.standing, judged.reasons) == (Standing.OVER, ("no elements",))


def pair(own, reference, bar=None, groups=None):
    rows = Budgets([bar or budget(relative_l2=1e-2)], "toy.toml")
    return SketchPair(own, reference, rows, "toy", groups or {"a": "first", "b": "second"})


def two(error, **told):
    """Two sketches of one reference: the candidate's `b` errs."""
    reference = {name: torch.randn(64, 64, generator=generator(seed)) for seed, name in enumerate("abc")}
    own = dict(reference)
    own["b"] = reference["b"] + error * torch.randn(64, 64, generator=generator(9))
    return sketch(own, **told), sketch(reference)


@pytest.mark.parametrize(
    ("error", "standing", "code"),
    [
        (0.0, Standing.IDENTICAL, ExitCode.WITHIN_BUDGET),
        (5e-3, Standing.WITHIN, ExitCode.WITHIN_BUDGET),
        (1.02e-2, Standing.UNDECIDED, ExitCode.INCOMPLETE),
        (2e-2, Standing.OVER, ExitCode.OVER_BUDGET),
    ],
)
def test_two_sketches_stand_as_their_worst_tap(error, standing, code):
    result = compare_sketches(pair(*two(error)))
    assert [tap.judged.standing for tap in result.taps] == [Standing.IDENTICAL, standing, Standing.IDENTICAL]
    assert result.exit_code is code
    assert [tap.group for tap in result.taps] == ["first", "second", "undeclared"]
    document = to_document(result)
    assert (document["schema"], document["exit_code"], document["standings"][standing.value]) == (
        SCHEMA, int(code), 3 if error == 0 else 1,
    )  # fmt: skip


def test_the_first_tap_that_is_over_is_named_with_what_is_known():
    result = compare_sketches(pair(*two(0.5)))
    where, told = divergence_lines(result)
    assert where == "b (toy/small, bfloat16)"
    assert "allowed 1.00e-02" in told
    assert verdict_line(result).startswith("OVER BUDGET: 3 taps, 12,288 elements compared by sketch (2 identical, 0 w")
    assert [row[0] for row in tap_sheet(result).rows] == ["b"]
    assert [row[:6] for row in group_sheet(result).rows][1] == ("second", "1", "0", "0", "0", "1")


def test_what_is_undecided_says_what_to_do():
    (line,) = open_lines(compare_sketches(pair(*two(1.02e-2))))
    known = r"b: undecided, relative_l2 \d\.\d\de-0[23] \(.*\), allowed 1\.00e-02; keep tensors of this tap"
    assert re.fullmatch(known, line)


def test_taps_of_one_side_alone_make_it_incomplete():
    own, reference = two(0.0)
    fewer = sketch({"a": torch.randn(64, 64, generator=generator(0)), "z": torch.ones(3)})
    result = compare_sketches(pair(fewer, reference))
    assert result.exit_code is ExitCode.INCOMPLETE
    assert [line.split(";")[0] for line in result.incomplete] == [
        "b: missing in the candidate (2 taps)", "z: extra in the candidate (1 taps)",
    ]  # fmt: skip
    assert compare_sketches(pair(own, reference)).exit_code is ExitCode.WITHIN_BUDGET


def test_taps_of_another_shape_or_dtype_are_not_compared():
    own = sketch({"a": torch.zeros(5), "b": torch.zeros(6).half()})
    reference = sketch({"a": torch.zeros(6), "b": torch.zeros(6)})
    result = compare_sketches(pair(own, reference))
    assert result.exit_code is ExitCode.INCOMPLETE
    assert ["candidate's shape (5,)" in result.incomplete[0], "torch.float16" in result.incomplete[1]] == [True, True]


def test_a_dump_that_was_cut_makes_it_incomplete():
    own, reference = two(0.0)
    cut = replace(own, manifest=replace(own.manifest, dropped=(DroppedTap("a", "first 2 of 3 tokens"),)))
    assert "a: left out of the candidate's dump" in compare_sketches(pair(cut, reference)).incomplete[0]


@pytest.mark.parametrize(
    "told",
    [
        {"case": "other"},
        {"checkpoint_sha256": "c" * 64},
        {"input_sha256": {"cond.video": "c" * 64}},
        {"release": "1.2.0"},
    ],
)
def test_sketches_of_other_runs_are_refused(told):
    own, reference = two(0.0, **told)
    with pytest.raises(IncompleteError, match="manifest"):
        compare_sketches(pair(own, reference))


@pytest.mark.parametrize("recipe", [Recipe(8, 16), Recipe(7, 17)])
def test_sketches_of_other_recipes_are_refused(recipe):
    _, reference = two(0.0)
    own = sketch({"a": torch.ones(3)}, recipe)
    with pytest.raises(IncompleteError, match="sketch: Recipe"):
        compare_sketches(pair(own, reference))


def test_nothing_compared_is_incomplete():
    none = sketch({"a": torch.ones(3)})
    result = replace(compare_sketches(pair(none, none)), taps=())
    assert result.exit_code is ExitCode.INCOMPLETE
    assert manifest().dropped == ()


def test_intervals_are_told_by_their_ends_or_in_per_cent():
    assert interval_text(Interval.exactly(0.5)) == "5.0e-01"
    assert interval_text(Interval(0.5, 0.485, 0.515)) == "5.0e-01 ±3.0%"
    assert interval_text(Interval(0.5, 0.1, 0.515)) == "5.0e-01 (1.0e-01..5.2e-01)"
    assert interval_text(Interval.unknown()) == "nan (0..inf)"
