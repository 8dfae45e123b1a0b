import copy
import dataclasses
import json
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import BAD, GOOD, KINDS, one_case, one_pass, one_run, run_of, runs, tap

from parity.blame import Blame, HintKind
from parity.errors import BadInputError
from parity.judge import Verdict
from parity.report import as_report, from_document, to_document
from parity.report.bins import ERROR_EDGES, ULP_EDGES, histogram_of
from parity.report.bins import run_of as counts_of
from parity.store import strict_json


def through_json(run):
    return strict_json.decode("report", strict_json.encode("report", to_document(run)))


def whole_document():
    return through_json(run_of(*(tap(kind, kind) for kind in KINDS), incomplete=["why"]))


@settings(max_examples=60, deadline=None)
@given(runs())
def test_what_is_read_is_what_was_written(run):
    report = as_report(run)
    assert from_document(through_json(run)) == report
    assert to_document(report) == to_document(run)


def test_the_same_run_gives_the_same_bytes():
    made = [strict_json.encode("", to_document(run_of(*(tap(kind, kind) for kind in KINDS)))) for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_figures_that_budgets_gate_on_are_kept_exactly(kind):
    result = tap(kind)
    (kept,) = from_document(through_json(run_of(result))).taps
    found = result.measurement.comparison
    assert (kept.verdict, kept.rule, kept.elements) == (result.verdict, result.rule, found.elements)
    assert repr(kept.relative_l2) == repr(float(found.relative_l2))
    if kept.measured is not None:
        assert repr(kept.measured.figures.max_abs) == repr(float(found.max_abs))
        assert repr(kept.measured.exceeded) == repr(dict(result.exceeded))
        assert dict(kept.measured.figures.error_histogram) == dict(found.error_histogram)
        assert dict(kept.measured.figures.ulp_histogram) == dict(found.ulp_histogram)
        assert kept.measured.figures.norm_ratio == pytest.approx(found.norm_ratio, rel=1e-8, nan_ok=True)


def test_only_taps_with_nothing_to_measure_are_stored_without_figures():
    bare = {kind for kind in KINDS if as_report(run_of(tap(kind))).taps[0].measured is None}
    assert bare == {"identical", "wholes", "all one"}


def test_what_is_over_budget_never_seems_to_use_little_of_it():
    for kind in BAD:
        assert as_report(run_of(tap(kind))).taps[0].usage >= 1, kind
    for kind in GOOD:
        assert as_report(run_of(tap(kind))).taps[0].usage <= 1, kind


def parts(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from parts(child, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


FIXED = [(), ("outcome",), ("outcome", "first_divergence"), ("layout",), ("cases", 0), ("cases", 0, "forwards", 0)]


@pytest.mark.parametrize("path", FIXED, ids=str)
def test_a_missing_or_unknown_key_is_refused(path):
    for key in at(whole_document(), path):
        changed = whole_document()
        del at(changed, path)[key]
        with pytest.raises(BadInputError):
            from_document(changed)
    changed = whole_document()
    at(changed, path)["more"] = 1
    with pytest.raises(BadInputError):
        from_document(changed)


def test_a_row_of_another_length_is_refused():
    for number in range(len(KINDS)):
        for change in (list.pop, lambda row: row.append(0)):
            changed = whole_document()
            change(changed["cases"][0]["forwards"][0]["results"][number])
            with pytest.raises(BadInputError, match="items"):
                from_document(changed)


@pytest.mark.parametrize("junk", [None, True, -1, 1.5, "x", [], {}, [[[]]], 10**400, inf, nan], ids=repr)
def test_a_value_of_another_kind_is_refused_or_changes_nothing_but_itself(junk):
    document = through_json(run_of(tap("identical"), tap("nan", "b"), tap("over", "c"), incomplete=["why"]))
    before = from_document(copy.deepcopy(document))
    for path in list(parts(document))[1:]:
        changed = copy.deepcopy(document)
        at(changed, path[:-1])[path[-1]] = junk
        try:
            after = from_document(changed)
        except BadInputError:
            continue
        # A descriptive figure may be another number; what was judged, and how, is guarded by the rest.
        assert [found.verdict for found in after.taps] == [found.verdict for found in before.taps], path
        assert after.exit_code is before.exit_code


@pytest.mark.parametrize("value", [None, [], 3, {}, {"schema": "ltx-parity/run/2"}, {"schema": ["ltx-parity/run/3"]}])
def test_another_schema_is_refused(value):
    with pytest.raises(BadInputError):
        from_document(value)


def test_an_outcome_that_the_results_do_not_give_is_refused():
    for key, value in (("verdict", "within budget"), ("exit_code", 0), ("exit_code", True), ("over", 0)):
        document = through_json(run_of(tap("over")))
        assert document["outcome"]["exit_code"] == 1
        document["outcome"][key] = value
        with pytest.raises(BadInputError, match="outcome"):
            from_document(document)


@pytest.mark.parametrize("kind", BAD)
def test_a_failed_tap_cannot_be_relabelled(kind):
    verdict = to_document(run_of())["layout"]["measured"].index("verdict")
    exceeded = to_document(run_of())["layout"]["measured"].index("exceeded")
    for other, kept in ((0, False), (1, False), (0, True), (1, True), (2, False)):
        document = through_json(run_of(tap(kind)))
        row = document["cases"][0]["forwards"][0]["results"][0]
        row[verdict] = other
        row[exceeded] = row[exceeded] if kept else {}
        with pytest.raises(BadInputError, match="verdict that follows"):
            from_document(document)


def test_records_that_contradict_each_other_are_not_written():
    fine = tap("over")
    for wrong in (
        run_of(fine, fine),
        run_of(tap("over", case="other")),
        run_of(tap("over", forward="other")),
        run_of(dataclasses.replace(fine, verdict=Verdict.WITHIN)),
        run_of(dataclasses.replace(fine, exceeded={})),
        run_of(dataclasses.replace(tap("within"), verdict=Verdict.IDENTICAL)),
        run_of(dataclasses.replace(fine, bounds={"cosine": 1.0}, exceeded={"x": (1.0, 0.0)})),
    ):
        with pytest.raises(BadInputError):
            to_document(wrong)


def test_a_tap_judged_twice_is_refused_on_reading():
    document = through_json(run_of(tap("identical")))
    results = document["cases"][0]["forwards"][0]["results"]
    results.append(list(results[0]))
    with pytest.raises(BadInputError, match="twice"):
        from_document(document)


@given(st.dictionaries(st.sampled_from(ERROR_EDGES), st.integers(1, 10**9), max_size=9))
def test_a_histogram_of_errors_survives_its_short_form(histogram):
    assert histogram_of(counts_of(histogram, ERROR_EDGES, ""), ERROR_EDGES, "") == histogram


@given(st.dictionaries(st.sampled_from(ULP_EDGES), st.integers(1, 10**9), max_size=9))
def test_a_histogram_of_distances_survives_its_short_form(histogram):
    assert histogram_of(counts_of(histogram, ULP_EDGES, ""), ULP_EDGES, "") == histogram


@pytest.mark.parametrize("run", [[], [0, 1], [0, 0, 1], [0, 1, 0], [0, 1, 0, 2], [0, 55, 1], [-1], [0, 1, -1]], ids=str)
def test_what_is_no_run_of_counts_is_refused(run):
    with pytest.raises(BadInputError):
        histogram_of(run, ULP_EDGES, "here")
    with pytest.raises(BadInputError):
        counts_of({0.3: 1}, ERROR_EDGES, "here")


def test_provenance_and_reasons_are_kept_as_they_are():
    run = one_run(one_case(one_pass(tap("identical"), incomplete=['a "b"\n'], gains={"g": 1.25})), commit="ab|\u202e")
    document = json.loads(json.dumps(to_document(run)))
    assert document["provenance"] == {"commit": "ab|\u202e"}
    assert document["cases"][0]["forwards"][0]["incomplete"] == ['a "b"\n']
    assert from_document(document).cases[0].forwards[0].gains == {"g": 1.25}


BLAME = Blame(
    "tap", "gate", "all of 4 elements differ", "equals *half*", "seen", HintKind.FACTOR, "isolated", {"a": "b>out"}
)


@pytest.mark.parametrize("blame", [BLAME, Blame("tap", None, "some", None, "seen")])
def test_what_is_blamed_is_kept(blame):
    run = one_run(one_case(one_pass(tap("over"), blame=blame)))
    document = json.loads(json.dumps(to_document(run)))
    assert from_document(document).cases[0].forwards[0].blame == blame
    assert document["outcome"]["first_divergence"]["blame"].startswith(blame.sentence)


@pytest.mark.parametrize(
    "change",
    [{"kind": "guess"}, {"kind": 3}, {"part": 3}, {"tap": None}, {"places": []}, {"more": 1}, {"tap": "other"}],
)
def test_a_malformed_blame_is_refused(change):
    document = to_document(one_run(one_case(one_pass(tap("over"), blame=BLAME))))
    document["cases"][0]["forwards"][0]["blame"] |= change
    with pytest.raises(BadInputError):
        from_document(document)


def test_a_blame_on_a_tap_within_its_budget_is_refused():
    with pytest.raises(BadInputError, match="not over its budget"):
        to_document(one_run(one_case(one_pass(tap("within"), blame=BLAME))))
