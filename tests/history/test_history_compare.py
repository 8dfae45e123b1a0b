"""What counts as worse from one run to the next."""

from math import inf, nan

import pytest
from history_cases import HOME, brief, key, over, same, within

from parity.errors import ExitCode
from parity.history import compare_runs
from parity.history.brief import Pass
from parity.history.compare import Kind
from parity.history.sheets import change_line, change_sheets

OK, WORSE, OPEN = ExitCode.WITHIN_BUDGET, ExitCode.OVER_BUDGET, ExitCode.INCOMPLETE


@pytest.mark.parametrize(
    ("before", "after", "kind", "code"),
    [
        (same(), within(1e-6), Kind.WORSE, WORSE),
        (within(1e-3), over(1e-3), Kind.WORSE, WORSE),
        (over(1.0), within(1e-3), Kind.BETTER, OK),
        (within(1e-3), same(), Kind.BETTER, OK),
        (within(1e-3), within(2.1e-3), Kind.GREW, WORSE),
        (over(1e-3), over(1.0), Kind.GREW, WORSE),
        (within(1e-3), within(1.9e-3), None, OK),
        (within(2.1e-3), within(1e-3), Kind.SHRANK, OK),
        (same(0.0), same(1e-9), Kind.GREW, WORSE),
        (over(1.0), over(nan), Kind.GREW, WORSE),
        (over(1.0), over(inf), Kind.GREW, WORSE),
        (over(nan), over(nan), None, OK),
        (over(inf), over(inf), None, OK),
        (over(nan), over(1.0), Kind.SHRANK, OK),
    ],
)
def test_a_reading_is_worse_by_its_verdict_or_by_an_error_beyond_the_factor(before, after, kind, code) -> None:
    found = compare_runs(brief({key("t"): before}), brief({key("t"): after}))
    assert [change.kind for change in found.changes] == ([kind] if kind else [])
    assert found.exit_code is code
    assert found.same == (0 if kind else 1)


def test_the_factor_says_how_much_an_error_may_grow() -> None:
    before, after = brief({key("t"): within(1e-3)}), brief({key("t"): within(1.5e-3)})
    assert compare_runs(before, after).exit_code is OK
    assert compare_runs(before, after, factor=1.2).exit_code is WORSE


def test_a_new_reading_is_worse_only_over_budget() -> None:
    assert compare_runs(brief({}), brief({key("t"): within(1.0)})).exit_code is OK
    assert compare_runs(brief({}), brief({key("t"): over(1.0)})).exit_code is WORSE


def test_a_reading_that_is_gone_is_never_a_pass() -> None:
    found = compare_runs(brief({key("a"): same(), key("b"): same()}), brief({key("a"): same()}))
    assert [(change.kind, change.key.tap) for change in found.changes] == [(Kind.LOST, "b")]
    assert found.exit_code is OPEN


def test_forced_readings_may_go_where_the_whole_pass_has_become_identical_and_nowhere_else() -> None:
    before = brief({key("a"): within(1.0), key("a", "isolated"): within(1.0), key("b"): same()})
    assert compare_runs(before, brief({key("a"): same(), key("b"): same()})).exit_code is OK
    assert compare_runs(before, brief({key("a"): within(1.0), key("b"): same()})).exit_code is OPEN


def test_what_is_newly_not_compared_is_never_a_pass() -> None:
    reason = (HOME, "t: missing")
    known, fresh = brief({key("t"): same()}, incomplete=[reason]), brief({key("t"): same()})
    assert compare_runs(fresh, known).exit_code is OPEN
    assert compare_runs(known, known).exit_code is OK


def test_common_compares_only_the_passes_that_both_runs_have() -> None:
    other = Pass("exact", "case", "float32", "pass")
    before = brief({key("a"): same(), key("a", home=other): same()})
    after = brief({key("a"): same()}, incomplete=[(other, "gone")])
    assert compare_runs(before, after).exit_code is OPEN
    assert compare_runs(before, after, common=True).exit_code is OK


def test_worse_comes_before_incomplete() -> None:
    found = compare_runs(brief({key("a"): same(), key("b"): same()}), brief({key("a"): over(1.0)}))
    assert found.exit_code is WORSE
    assert change_line(found) == (
        "WORSE: 1 reading worse, 0 better, 1 no longer read, 0 newly not compared, 0 new, 0 as before"
    )


def test_tables_show_what_changed_with_both_values_and_say_how_much_they_leave_out() -> None:
    before = brief({key(f"t{at:02d}"): within(1e-3) for at in range(25)})
    after = brief({key(f"t{at:02d}"): over(1e-2) for at in range(25)})
    ((sheet, changes),) = change_sheets(compare_runs(before, after))
    row = ("t00", "drift/case bfloat16 pass", "chained", "worse verdict", "1.0e-03 within", "1.0e-02 over", "10")
    assert sheet.rows[0] == row
    assert (len(sheet.rows), len(changes), sheet.note) == (20, 20, "The first 20 of 25.")
