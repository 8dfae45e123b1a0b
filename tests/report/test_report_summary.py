import math
from math import inf, nan
from statistics import median_low

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import BAD, GOOD, KINDS, MODES, one_case, one_pass, one_run, run_of, runs, tap

from parity.errors import ExitCode
from parity.judge import Verdict
from parity.report import as_report
from parity.report.origin import birthplaces, first_divergence
from parity.report.summary import beyond, case_lines, group_lines, spread
from parity.report.tally import whole_tally

sizes = st.floats(min_value=0, max_value=1e300)


@settings(max_examples=60, deadline=None)
@given(runs())
def test_a_report_stands_as_its_run_does(run):
    report = as_report(run)
    assert report.exit_code is run.exit_code
    assert report.incomplete == run.incomplete
    first, expected = report.first_divergence, run.first_divergence
    assert (first and first[1].place) == (expected and expected.place)


@settings(max_examples=60, deadline=None)
@given(runs())
def test_counts_are_those_of_a_plain_count(run):
    lines = case_lines(run)
    for line, case in zip(lines, run.cases, strict=True):
        taps = [found for forward in case.forwards for found in forward.taps]
        assert line.tally.taps == len(taps)
        assert line.tally.elements == sum(found.measurement.comparison.elements for found in taps)
        assert line.tally.incomplete == len(one_run(case).incomplete)
        by_verdict = (line.tally.identical, line.tally.within, line.tally.over)
        assert by_verdict == tuple(sum(found.verdict is kind for found in taps) for kind in Verdict)
    whole = whole_tally(as_report(run))
    assert whole.elements == sum(line.tally.elements for line in lines)
    assert whole.taps == whole.identical + whole.within + whole.over == len(run.taps)


@settings(max_examples=60, deadline=None)
@given(runs())
def test_groups_show_the_errors_of_exactly_their_taps(run):
    report = as_report(run)
    lines = group_lines(report.cases)
    assert sorted(line.group for line in lines) == sorted({found.place.group for found in run.taps})
    for line in lines:
        for mode in MODES:
            taps = [found for found in run.taps if (found.place.group, found.place.mode) == (line.group, mode)]
            assert (mode in line.modes) == bool(taps)
            if taps:
                errors = [found.measurement.comparison.relative_l2 for found in taps]
                assert repr(line.modes[mode].errors.largest) == repr(
                    float(max(errors, key=lambda error: (math.isnan(error), error)))
                )
                assert line.modes[mode].tally.taps == len(taps)
                if not any(found.verdict is Verdict.OVER for found in taps):
                    assert line.modes[mode].usage == max(found.usage for found in taps)


@given(st.lists(sizes, min_size=1, max_size=300))
def test_a_spread_is_that_of_the_sorted_values(values):
    found = spread(values)
    assert (found.median, found.largest) == (median_low(values), max(values))
    assert sum(value <= found.most for value in values) >= 0.99 * len(values)
    assert found.most in values


def test_nan_is_larger_than_anything():
    found = spread([nan, 1.0, inf])
    assert (found.median, math.isnan(found.most), math.isnan(found.largest)) == (inf, True, True)


@given(sizes, sizes)
def test_born_and_inherited_add_up_as_independent_errors_do(chained, isolated):
    inherited = beyond(chained, isolated)
    assert 0 <= inherited <= chained
    assert math.hypot(inherited, min(chained, isolated)) == pytest.approx(chained, rel=1e-6)


def test_an_unlimited_error_is_never_explained_away():
    assert beyond(inf, 1.0) == beyond(inf, inf) == inf
    assert math.isnan(beyond(nan, 1.0))
    assert beyond(1.0, nan) == 1.0
    assert beyond(1.0, inf) == 0.0


def test_inherited_pairs_each_chained_tap_with_its_own_isolated_one():
    over = as_report(run_of(tap("over"))).taps[0].relative_l2
    within = as_report(run_of(tap("within"))).taps[0].relative_l2
    taps = [tap("over"), tap("within", mode="isolated"), tap("over", "alone")]
    (line,) = group_lines(as_report(run_of(*taps)).cases)
    assert line.born.largest == within
    assert line.inherited.largest == line.inherited.median == pytest.approx(math.sqrt(over**2 - within**2))
    (unpaired,) = group_lines(as_report(run_of(tap("over"))).cases)
    assert unpaired.born is unpaired.inherited is None


def test_the_largest_gain_over_the_passes_is_shown():
    case = one_case(one_pass(tap("within", group="a"), gains={"a": 1.5}), one_pass(gains={"a": 2.5, "b": 9.0}))
    (line,) = group_lines(as_report(one_run(case)).cases)
    assert line.gain == 2.5


@pytest.mark.parametrize("kind", BAD)
def test_every_way_to_fail_is_the_first_divergence_with_its_evidence(kind):
    found = first_divergence(run_of(tap("identical", "a"), tap(kind, "b"), tap("over", "c")))
    assert found.tap.place.tap == "b"
    assert found.sentence
    assert "\n" not in found.sentence


def test_chained_diverges_before_forced_whatever_the_order():
    isolated_first = run_of(tap("over", "a", "isolated"), tap("over", "b", "chained"))
    assert first_divergence(isolated_first).tap.place.tap == "b"
    assert first_divergence(run_of(tap("over", "a", "isolated"))).tap.place.tap == "a"
    assert first_divergence(run_of(*(tap(kind, kind) for kind in GOOD))) is None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("over", "is over budget too, so it is born there"),
        ("identical", "isolated relative_l2 0 is identical, so it is handed down from before"),
        ("within", "is within, so it is handed down from before"),
        (None, "not run isolated, so where it is born is open"),
    ],
)
def test_the_isolated_mode_says_where_a_divergence_is_born(kind, words):
    isolated = [] if kind is None else [tap(kind, mode="isolated")]
    found = first_divergence(run_of(tap("over"), *isolated, tap("over", "other", "isolated")))
    assert found.sentence.endswith(words)


def test_the_evidence_names_figure_bound_and_place():
    sentence = first_divergence(run_of(tap("over"))).sentence
    assert "relative_l2 4.0e-01 against a bound of" in sentence
    assert "100.0% of the squared error at index 3 of axis 2" in sentence
    assert "[1, 2, 3] 5 for 2" in sentence
    assert "not the same bits" in first_divergence(run_of(tap("other bits"))).sentence
    assert "1 in the candidate, 0 in the reference, first at [0]" in first_divergence(run_of(tap("nan"))).sentence


def test_birthplaces_are_ordered_by_use_of_budget_and_share_out_all_that_is_born():
    kinds = ["within", "same bits", "identical", "over"]
    taps = [tap(kind, kind, mode) for mode in ("isolated", "chained") for kind in kinds]
    found = birthplaces(as_report(run_of(*taps)).cases, 10)
    assert [at.tap.place.tap for at in found] == ["over", "within", "same bits"]
    assert sum(at.share for at in found) == pytest.approx(1)
    squares = [at.tap.relative_l2**2 for at in found]
    assert [at.share for at in found] == pytest.approx([square / sum(squares) for square in squares])
    assert len(birthplaces(as_report(run_of(*taps)).cases, 2)) == 2


def test_a_nan_is_born_before_any_number():
    taps = [tap("over", "a", "isolated"), tap("nothing finite", "b", "isolated")]
    first, second = birthplaces(as_report(run_of(*taps)).cases, 5)
    assert (first.tap.place.tap, first.share, second.share) == ("b", 1.0, 0.0)


def test_a_run_that_compared_nothing_is_incomplete():
    assert as_report(one_run()).exit_code is ExitCode.INCOMPLETE
    assert as_report(run_of()).exit_code is ExitCode.INCOMPLETE
    assert set(KINDS) == set(GOOD) | set(BAD)


def test_a_case_with_fewer_blocks_does_not_push_the_head_forward() -> None:
    """Groups of all cases are merged along the data path, whichever case comes first."""
    short = ["s.entry", "s.block00", "s.head"]
    deep = ["s.entry", "s.block00", "s.block01", "s.head"]
    for order in ((short, deep), (deep, short)):
        run = one_run(
            *[
                one_case(one_pass(*[tap("identical", name=g, group=g, case=f"c{n}") for g in groups]), case=f"c{n}")
                for n, groups in enumerate(order)
            ]
        )
        assert [line.group for line in group_lines(as_report(run).cases)] == deep


def test_stages_stay_in_the_order_of_the_run() -> None:
    first, second = (
        one_case(one_pass(tap("within", name, group=name, case=name)), case=name) for name in ("text.in", "vae.out")
    )
    lines = group_lines(as_report(one_run(first, second)).cases)
    assert [line.group for line in lines] == ["text.in", "vae.out"]
