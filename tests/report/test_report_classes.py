"""Classes in a report: shown where there are bands, kept in its JSON, and nothing where there are none."""

import copy
from dataclasses import replace
from functools import cache

import pytest
from report_cases import KINDS, in_terminal, one_case, one_pass, one_run, tap

from parity.calibrate.band import Bands
from parity.calibrate.bands_file import PLACES, BandsFile, Row, levels
from parity.calibrate.reading import JUDGED
from parity.classify import Class
from parity.errors import BadInputError
from parity.report import as_report, from_document, to_document, to_markdown
from parity.report.classes import class_counts, class_of_case, classes_of_groups

MODES = ("chained", "teacher-forced", "isolated")


@cache
def bands(most=1e-2):
    cell = tuple(tuple(most * level for level in levels(column)) for column in JUDGED)
    rows = [
        Row(pattern, "bfloat16", 64, (0.0,) * len(JUDGED), dict.fromkeys(PLACES, cell))
        for pattern in ("toy.*.first", "toy.*.second", "toy.*.third")
    ]
    ratios = {"bfloat16": {(*place, column): 1.0 for place in PLACES for column in JUDGED}}
    return Bands((BandsFile("toy", "", {}, {"case": {"bfloat16": 64}}, ratios, tuple(rows)),))


def judged(name, kind, group="block00"):
    return [tap(kind, f"toy.p.{name}", mode, group) for mode in MODES]


def run(*taps, dtype="bfloat16", incomplete=()):
    return one_run(one_case(one_pass(*(t for some in taps for t in some), incomplete=incomplete), dtype=dtype))


BUGGY = run(
    judged("first", "identical"),
    judged("second", "over", "block01"),
    [tap("over", "toy.p.third", "chained", "block02")],
    incomplete=["toy.p.fourth: not reached; expected once; correct it"],
)


def test_a_model_without_bands_has_no_classes_and_shows_none():
    for found in (as_report(BUGGY), as_report(BUGGY, Bands(()))):
        assert class_counts(found) is None
        assert class_of_case(found.cases[0]) is None
        assert found.cases[0].forwards[0].classes is None
        assert "class" not in in_terminal(found, 200)


def test_a_reference_of_another_machine_has_verdicts_and_no_classes():
    case = run(judged("first", "identical"), judged("second", "within")).cases[0]
    assert as_report(one_run(case), bands()).cases[0].forwards[0].classes is not None
    assert as_report(one_run(replace(case, elsewhere=True)), bands()).cases[0].forwards[0].classes is None


def test_in_a_case_that_is_not_calibrated_nothing_but_the_same_bits_has_another_class_than_incomplete():
    both = judged("first", "identical"), judged("second", "within")
    newer = replace(run(*both).cases[0], release="2")
    for found in (run(*both, dtype="float32"), one_run(newer)):
        (case,) = as_report(found, bands(10.0)).cases
        assert [one.kind for one in case.forwards[0].classes] == [Class.IDENTICAL, Class.INCOMPLETE]
        assert "no band for toy.p.second" in case.forwards[0].classes[1].evidence
    assert class_of_case(as_report(run(*both), bands(10.0)).cases[0]) is Class.WITHIN_NOISE


def test_every_judged_tap_and_every_reason_has_one_class():
    report = as_report(BUGGY, bands())
    (forward,) = report.cases[0].forwards
    assert [(found.tap, found.kind) for found in forward.classes] == [
        ("toy.p.first", Class.IDENTICAL),
        ("toy.p.second", Class.BUG),
        ("toy.p.third", Class.INCOMPLETE),
        ("toy.p.fourth", Class.INCOMPLETE),
    ]
    assert class_counts(report) == {"identical": 1, "within noise": 0, "drift": 0, "bug": 1, "incomplete": 2}
    assert class_of_case(report.cases[0]) is Class.BUG
    assert classes_of_groups(report.cases) == {"block00": "same", "block01": "BUG", "block02": "open"}


@pytest.mark.parametrize("width", [80, 200])
def test_the_first_divergence_says_its_class_and_tables_have_a_column(width):
    report = as_report(BUGGY, bands())
    for text in (in_terminal(report, width), to_markdown(report)):
        flat = " ".join(text.split())
        assert "class bug: relative L2" in flat
        assert "the ensemble of 64 runs never exceeded 0.01" in flat
        assert "BUG" in flat
    assert max(map(len, in_terminal(report, width).splitlines())) <= width


def test_bands_wide_enough_make_the_same_errors_noise():
    report = as_report(run(judged("first", "over")), bands(10.0))
    assert class_of_case(report.cases[0]) is Class.WITHIN_NOISE
    assert "class within noise" in in_terminal(report, 200)


def through_json(report):
    return from_document(copy.deepcopy(to_document(report)))


def test_classes_are_read_as_they_were_written():
    report = as_report(BUGGY, bands())
    assert through_json(report) == report
    assert to_document(through_json(report)) == to_document(report)
    plain = as_report(BUGGY)
    assert through_json(plain) == plain
    outcome = to_document(report)["outcome"]
    assert outcome["first_divergence"]["class"] == "bug"
    assert outcome["classes"]["bug"] == 1
    assert to_document(plain)["outcome"]["classes"] is None


def test_what_was_not_compared_in_one_mode_and_judged_in_another_is_kept_apart():
    report = as_report(run(judged("first", "within"), incomplete=["toy.p.first: gone; expected; mend"]), bands(10.0))
    assert [found.kind for found in report.cases[0].forwards[0].classes] == [Class.WITHIN_NOISE, Class.INCOMPLETE]
    assert through_json(report) == report


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows.pop(0),
        lambda rows: rows.pop(),
        lambda rows: rows.append(rows[0]),
        lambda rows: rows[0].__setitem__(0, "toy.p.other"),
        lambda rows: rows[0].__setitem__(1, 0),
        lambda rows: rows[0].__setitem__(1, 9),
        lambda rows: rows[0].__setitem__(2, None),
        lambda rows: rows[0].pop(),
        lambda rows: rows[-1].__setitem__(1, 1),
    ],
)
def test_classes_that_the_rest_contradicts_are_refused(damage):
    document = copy.deepcopy(to_document(as_report(BUGGY, bands())))
    damage(document["cases"][0]["forwards"][0]["classes"])
    with pytest.raises(BadInputError):
        from_document(document)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_result_has_a_class(kind):
    report = as_report(run(judged("first", kind)), bands(0.1))
    found = class_of_case(report.cases[0])
    over = kind in ("nan", "infinite", "nothing finite", "infinite error", "empty", "over", "other flags")
    assert (found is Class.BUG) == over
    assert through_json(report) == report
