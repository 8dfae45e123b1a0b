"""The record as JSON and back."""

import json
import pickle

import metrics_cases as cases
import pytest
import torch
from hypothesis import given, settings

from parity.errors import BadInputError
from parity.metrics import TensorComparison, compare


def written():
    reference = torch.arange(12.0).reshape(3, 4)
    return json.loads(json.dumps(compare(reference + torch.eye(3, 4), reference).to_json()))


@settings(deadline=None)
@given(cases.pairs())
def test_a_record_survives_strict_json(pair):
    found = compare(*pair)
    text = json.dumps(found.to_json(), allow_nan=False)
    back = TensorComparison.from_json(json.loads(text))
    assert repr(back) == repr(found)
    assert json.dumps(back.to_json(), allow_nan=False) == text


@settings(deadline=None)
@given(cases.pairs())
def test_a_record_arrives_in_another_process_as_it_was_sent(pair):
    found = compare(*pair)
    back = pickle.loads(pickle.dumps(found))  # noqa: S301 - its own bytes
    assert repr(back) == repr(found)
    assert type(back) is TensorComparison
    assert all(type(one) is type(other) for one, other in zip(back.worst, found.worst, strict=True))


def test_nonfinite_figures_are_spelled_out():
    value = compare(torch.full((1,), float("nan")), torch.ones(1)).to_json()
    assert (value["max_abs"], value["relative_l2"]) == ("nan", "nan")
    assert compare(torch.ones(1), torch.zeros(1)).to_json()["relative_l2"] == "inf"


@pytest.mark.parametrize("field", sorted(written()))
def test_a_missing_field_is_refused(field):
    value = written()
    del value[field]
    with pytest.raises(BadInputError, match=field):
        TensorComparison.from_json(value)


def test_an_extra_field_is_refused():
    with pytest.raises(BadInputError, match="verdict"):
        TensorComparison.from_json(written() | {"verdict": "pass"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("elements", 12.0),
        ("elements", True),
        ("identical", 1),
        ("relative_l2", None),
        ("relative_l2", False),
        ("relative_l2", "Infinity"),
        ("relative_l2", float("nan")),
        ("shape", "34"),
        ("shape", [3, "4"]),
        ("candidate_dtype", 32),
        ("error_histogram", {"zero": 3}),
        ("error_histogram", [3, 9]),
        ("worst", [{"coordinates": [0, 0]}]),
        ("nonfinite", None),
        ("nonfinite_first", 3),
    ],
)
def test_a_mistyped_field_is_refused_in_one_line(field, value):
    with pytest.raises(BadInputError, match=field) as refusal:
        TensorComparison.from_json(written() | {field: value})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("elements", 13),
        ("finite_elements", 11),
        ("finite_elements", -1),
        ("error_histogram", {"0.0": 12}),
        ("ulp_histogram", {"0": 1}),
        ("close_fraction", 1.5),
        ("identical", True),
        ("max_abs", 0.0),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(field, value):
    with pytest.raises(BadInputError, match="contradicting"):
        TensorComparison.from_json(written() | {field: value})


@pytest.mark.parametrize("value", [None, [], "record", 3])
def test_anything_but_an_object_is_refused(value):
    with pytest.raises(BadInputError, match="an object"):
        TensorComparison.from_json(value)
