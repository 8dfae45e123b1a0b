"""A report cannot hold a verdict that its own figures contradict, nor a place outside its tensor."""

import dataclasses
from math import nan

import pytest
from report_cases import KINDS, run_of, tap

from parity.errors import BadInputError
from parity.judge import Rule, Verdict
from parity.report import as_report, from_document, to_document


def kept(kind):
    return as_report(run_of(tap(kind))).taps[0]


def remeasured(kind, **changes):
    result = kept(kind)
    return {"measured": dataclasses.replace(result.measured, **changes)}


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("identical", {"verdict": Verdict.WITHIN}, "within without figures"),
        ("identical", {"subject": kept("empty").subject}, "identical with no element compared"),
        ("within", {"rule": Rule.BIT_IDENTICAL}, "knows only identical"),
        ("within", {"verdict": Verdict.OVER}, "over with 0 bounds exceeded"),
        ("within", {"verdict": Verdict.IDENTICAL}, "an error that the reference does not have"),
        ("within", remeasured("within", usage=1.5), "within at 1.5 of its budget"),
        ("within", remeasured("within", usage=nan), "within at nan of its budget"),
        ("over", remeasured("over", usage=0.5), "over at 0.5 of its budget"),
        ("within", remeasured("within", bounds={"max_abs": 0.0}), "max_abs .* against a bound of 0.0"),
        ("within", remeasured("within", bounds={"cosine": 1.0}), "bounds on"),
        ("over", remeasured("over", bounds={}), "exceeds a bound that it does not have"),
        (
            "over",
            remeasured("over", exceeded=kept("over").measured.exceeded | {"max_abs": (1.0, 0.5)}),
            "max_abs .* listed as",
        ),
    ],
)
def test_a_verdict_follows_from_its_figures(kind, changes, words):
    with pytest.raises(BadInputError, match=words):
        dataclasses.replace(kept(kind), **changes)


def test_non_finite_elements_are_never_passed():
    bad = kept("infinite").measured.figures.nonfinite
    figures = dataclasses.replace(kept("same bits").measured.figures, nonfinite=bad)
    with pytest.raises(BadInputError, match="identical with non-finite elements"):
        dataclasses.replace(kept("same bits"), **remeasured("same bits", figures=figures))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_the_judge_finds_is_sound(kind):
    assert dataclasses.replace(kept(kind)) == kept(kind)


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        ("over", "worst", [[[1, 2, 4], 5.0, 2.0, 3.0]]),
        ("over", "worst", [[[1, 2], 5.0, 2.0, 3.0]]),
        ("over", "worst", [[[1, -1, 3], 5.0, 2.0, 3.0]]),
        ("over", "concentration", [[3, 0, 0.5]]),
        ("over", "concentration", [[2, 4, 0.5]]),
        ("over", "concentration", [[2, 3, 1.5]]),
        ("over", "concentration", [[2, 3, "nan"]]),
        ("nan", "nonfinite", [[0, 0, 0], [0, 0, 0], 0, [0]]),
        ("nan", "nonfinite", [[1, 0, 0], [0, 0, 0], 1, [2]]),
        ("over", "quantiles", [0.0]),
        ("over", "peer", [0.0]),
        ("over", "mode", 1),
        ("over", "subject", -1),
        ("over", "tap", True),
    ],
)
def test_a_place_or_figure_that_cannot_be_is_refused(kind, column, value):
    document = to_document(run_of(tap(kind)))
    row = document["cases"][0]["forwards"][0]["results"][0]
    row[document["layout"]["measured"].index(column)] = value
    with pytest.raises(BadInputError, match=column):
        from_document(document)
