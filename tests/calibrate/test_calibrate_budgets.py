"""The ratchet of budgets: tightened by measurement, in the file's own words; loosened only with another reason."""

import numpy as np
import pytest
import torch
from calibrate_cases import bands_file, row, run

from parity.calibrate.ratchet import read_lock, refusals, stale, write_lock
from parity.calibrate.reading import AGAINST, COLUMNS, TRUTH
from parity.calibrate.request import TightenedRow
from parity.calibrate.tighten import Suite, rewritten, tightened
from parity.errors import BadInputError
from parity.judge import Budgets

TEXT = """# What this file is.
schema = 1

[[budget]]
suite = "drift"
rule = "peer"
modes = ["chained"]
taps = ["*"]  # all of them
relative_l2 = { ratio = 1.5, floor = 0.0, ceiling = 0.5 }
max_abs = { ratio = 3, floor = 0.0, ceiling = 1.0 }
reason = "measured"

# The modes with forcing.
[[budget]]
suite = "drift"
rule = "peer"
modes = ["teacher-forced", "isolated"]
taps = ["*"]
relative_l2 = { ratio = 1.25, floor = 0.5, ceiling = 0.2 }
reason = "measured too"

[[budget]]
suite = "exact"
rule = "bit-identical"
taps = ["*"]
reason = "the same code"
"""


def budgets(folder, text=TEXT, name="budgets.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return Budgets.load(path, "toy.")


def readings(truth):
    table = np.zeros((3, len(AGAINST), len(COLUMNS)))
    table[:, AGAINST.index(TRUTH)] = truth
    return table


def runs(factor, moved=9.0):
    return [
        run("plain", 1, {"toy.p.x": readings(0.01)}),
        run("kernel", 1, {"toy.p.x": readings(0.01 * factor)}),
        run("moved", 1, {"toy.p.x": readings(0.01 * moved)}),
    ]


DRIFT = Suite("drift", torch.bfloat16, ("moved",))


def changes(folder, factor, ratio=1.0):
    return tightened(budgets(folder), runs(factor), bands_file(row("toy.*.x"), ratio=ratio), DRIFT)


def test_a_budget_is_tightened_to_what_the_ensemble_needs(tmp_path):
    found = {(one.row, one.gate): (one.before, one.after) for one in changes(tmp_path, 1.1)}
    assert found[1, "relative_l2"] == ((1.5, 0.0, 0.5), (1.1, 0.0, 0.011))
    assert found[1, "max_abs"] == ((3.0, 0.0, 1.0), (1.1, 0.0, 0.011))
    # 0.5 epsilons of bfloat16 are 0.0039.
    assert found[2, "relative_l2"][1] == (pytest.approx(0.71), 0.5, 0.011)


def test_what_new_runs_exceed_an_ensemble_by_is_left_as_room(tmp_path):
    found = {(one.row, one.gate): one.after for one in changes(tmp_path, 1.0, ratio=1.3)}
    assert found[1, "max_abs"] == (1.3, 0.0, 0.013)


def test_a_budget_is_never_loosened(tmp_path):
    for one in changes(tmp_path, 50.0):
        assert all(after <= before for before, after in zip(one.before, one.after, strict=True))
    assert not [one for one in changes(tmp_path, 200.0) if one.gate == "relative_l2"]


def test_members_that_move_their_inputs_and_other_precisions_need_nothing_of_a_budget(tmp_path):
    alone = [*runs(1.1), run("plain", 1, {"toy.p.x": readings(5.0)}, dtype="float32")]
    found = tightened(budgets(tmp_path), alone, bands_file(row("toy.*.x")), DRIFT)
    assert found == changes(tmp_path, 1.1)


def test_only_the_numbers_of_the_file_change(tmp_path):
    found = rewritten(TEXT, changes(tmp_path, 1.1), "budgets.toml")
    before, after = TEXT.splitlines(), found.splitlines()
    assert len(before) == len(after)
    differing = [new for old, new in zip(before, after, strict=True) if old != new]
    assert differing == [
        "relative_l2 = { ratio = 1.1, floor = 0, ceiling = 0.011 }",
        "max_abs = { ratio = 1.1, floor = 0, ceiling = 0.011 }",
        "relative_l2 = { ratio = 0.71, floor = 0.5, ceiling = 0.011 }",
    ]
    row = budgets(tmp_path, found, "after.toml").rows[0]
    assert row.allowances["max_abs"].ratio == 1.1


def test_an_edit_that_loosens_or_finds_no_line_is_refused():
    loose = TightenedRow("toy", 1, "relative_l2", (1.5, 0.0, 0.5), (1.6, 0.0, 0.5))
    with pytest.raises(BadInputError, match="looser"):
        rewritten(TEXT, [loose], "budgets.toml")
    tight = TightenedRow("toy", 1, "relative_l2", (1.5, 0.0, 0.5), (1.0, 0.0, 0.5))
    for text in (TEXT.replace("relative_l2 = {", "relative_l2={"), "schema = 1\n"):
        with pytest.raises(BadInputError, match="one line"):
            rewritten(text, [tight], "budgets.toml")


def locked(folder):
    path = folder / "lock.json"
    write_lock(budgets(folder), path)
    return path


LOOSER = {
    "ratio = 1.5": "ratio = 1.6",
    "ceiling = 0.2 }": "ceiling = 0.3 }",
    "floor = 0.5": "floor = 0.6",
    "max_abs = { ratio = 3, floor = 0.0, ceiling = 1.0 }\n": "",
}


@pytest.mark.parametrize(("old", "new"), LOOSER.items())
def test_a_looser_number_with_the_same_reason_is_refused(tmp_path, old, new):
    path = locked(tmp_path)
    found = refusals(budgets(tmp_path, TEXT.replace(old, new)), path)
    assert len(found) == 1
    assert "looser than it was" in str(found[0])
    with pytest.raises(BadInputError, match="looser"):
        write_lock(budgets(tmp_path, TEXT.replace(old, new)), path)


def test_a_looser_number_with_another_reason_is_accepted_and_recorded(tmp_path):
    path = locked(tmp_path)
    text = TEXT.replace("ratio = 1.5", "ratio = 1.6").replace(
        'reason = "measured"', 'reason = "1.6 measured elsewhere"'
    )
    changed = budgets(tmp_path, text)
    assert refusals(changed, path) == []
    assert len(stale(changed, path)) == 1
    write_lock(changed, path)
    assert stale(changed, path) == []
    again = budgets(tmp_path, text.replace("ratio = 1.6", "ratio = 1.7"))
    assert len(refusals(again, path)) == 1, "each loosening needs a reason of its own"


def test_tighter_numbers_need_no_reason(tmp_path):
    path = locked(tmp_path)
    text = TEXT.replace("ratio = 1.5", "ratio = 1.2").replace("ceiling = 0.2", "ceiling = 0.1")
    assert refusals(budgets(tmp_path, text), path) == []
    assert len(stale(budgets(tmp_path, text), path)) == 2, "the lock must follow, or the next loosening is hidden"


def test_a_row_by_another_pattern_is_no_way_around(tmp_path):
    path = locked(tmp_path)
    text = TEXT.replace('taps = ["*"]  # all of them', 'taps = ["*.*"]').replace("ratio = 1.5", "ratio = 9")
    found = refusals(budgets(tmp_path, text), path)
    assert len(found) == 1
    assert "reason of its own" in str(found[0])


def test_a_looser_rule_is_looser(tmp_path):
    path = locked(tmp_path)
    text = TEXT.replace('rule = "bit-identical"', 'rule = "same-values"')
    assert "rule same-values for bit-identical" in str(refusals(budgets(tmp_path, text), path)[0])
    write_lock(budgets(tmp_path, text.replace("the same code", "other code")), path)
    assert refusals(budgets(tmp_path, TEXT), path) == []


def test_a_lock_is_read_as_it_was_written_and_refused_where_it_was_changed(tmp_path):
    path = locked(tmp_path)
    assert len(read_lock(path)) == 3
    whole = path.read_text(encoding="utf-8")
    for text in ("", "{}", whole.replace("budgets-lock/1", "other"), whole.replace('"peer"', '"pear"'),
                 whole.replace("\n]}", ",\n" + whole.splitlines()[2].rstrip(",") + "\n]}")):  # fmt: skip
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BadInputError):
            read_lock(path)
    with pytest.raises(BadInputError):
        read_lock(tmp_path / "missing.json")
