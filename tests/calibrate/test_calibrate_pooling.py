"""Pooling: by tap in any pass, and over numbered taps where their noise agrees; ratios from left-out inputs."""

import math
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import pytest
from calibrate_cases import row, run
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.calibrate.bands_file import PLACES, STEPS, levels
from parity.calibrate.build import Source, bands_of
from parity.calibrate.leave_one_out import exceedances, extrapolated, floor_ratios, ratios
from parity.calibrate.pooling import AGREEMENT, _pattern_of, in_any_pass, pooled
from parity.calibrate.reading import AGAINST, COLUMNS, FIGURES, JUDGED, REFERENCE, TRUTH
from parity.calibrate.sharing import NEARLY, shared

NAMES = [f"toy.p.block{at:02d}.out" for at in range(4)]


def patterns(pools):
    return sorted(pool.pattern for pool in pools)


def test_a_tap_is_pooled_over_passes_cases_inputs_and_members():
    runs = [
        run(member, seed, {"toy.p.x": 1e-3, "toy.q.x": 2e-3}, case=case)
        for member in ("plain", "a")
        for seed in (1, 2, 3)
        for case in ("one", "two")
    ]
    (pool,) = pooled(runs)
    assert pool.pattern == "toy.*.x" == in_any_pass("toy.p.x")
    assert len(pool.table) == 2 * 2 * 3 * 2
    assert sorted(set(pool.seeds)) == [1, 2, 3]
    assert len(set(pool.runs)) == 12
    assert pool.most[0, 0, 0] == 2e-3


def test_precisions_are_never_pooled():
    runs = [run("plain", 1, {"toy.p.x": 1e-3}, dtype=dtype) for dtype in ("bfloat16", "float32")]
    assert [pool.dtype for pool in pooled(runs)] == ["bfloat16", "float32"]


def test_taps_that_agree_are_pooled_under_a_pattern_that_names_them_alone():
    (pool,) = pooled([run("plain", 1, dict.fromkeys(NAMES, 1e-3))])
    assert all(fnmatchcase(name, pool.pattern) for name in NAMES)
    assert not fnmatchcase("toy.p.block04.out", pool.pattern), "a block that was not measured has no band"
    assert not fnmatchcase("toy.p.block10.out", pool.pattern)


def test_taps_that_do_not_agree_stay_apart():
    readings = {name: 1e-3 * (1 + at) for at, name in enumerate(NAMES)}
    assert patterns(pooled([run("plain", 1, readings)])) == sorted(map(in_any_pass, NAMES))


def test_taps_agree_where_all_are_below_a_floor():
    readings = {name: 1e-4 * (1 + at) for at, name in enumerate(NAMES)}
    assert len(pooled([run("plain", 1, readings, floors=1e-3)])) == 1


def test_one_figure_of_one_mode_that_does_not_agree_keeps_taps_apart():
    odd = np.full((3, len(AGAINST), len(COLUMNS)), 1e-3)
    odd[2, 1, 1] *= AGREEMENT * 1.01
    assert len(pooled([run("a", 1, {**dict.fromkeys(NAMES, 1e-3), NAMES[1]: odd})])) == len(NAMES)


def test_a_family_that_does_not_agree_is_pooled_by_its_parts():
    readings = {f"toy.p.block{block}.layer{layer}": 1e-3 * 2**block for block in range(3) for layer in range(2)}
    patterns = [pool.pattern for pool in pooled([run("plain", 1, readings)])]
    assert patterns == [f"toy.*.block{block}.layer[01]" for block in range(3)]


def test_what_is_pooled_allows_no_less_than_any_of_its_taps():
    readings = {name: 1e-3 * (1 + at / 10) for at, name in enumerate(NAMES)}
    (pool,) = pooled([run("plain", 1, readings)])
    assert pool.most.max() == pytest.approx(1.3e-3)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 130), min_size=2, max_size=12))
def test_a_pattern_names_exactly_what_it_was_made_of_or_there_is_none(numbers):
    names = [f"toy.*.block{number:03d}.out" for number in numbers]
    pattern = _pattern_of(names)
    every = [f"toy.*.block{number:03d}.out" for number in range(200)]
    assert pattern is None or [name for name in every if fnmatchcase(name.replace("*", "p"), pattern)] == sorted(names)


def test_the_truth_is_as_legitimate_as_any_member():
    """The reference is as far from the truth as the truth from the reference."""
    readings = np.zeros((3, len(AGAINST), len(COLUMNS)))
    readings[:, AGAINST.index(TRUTH)] = 2e-3
    (pool,) = pooled([run("plain", 1, {"toy.p.x": readings}), run("same", 1, {"toy.p.x": readings})])
    assert pool.most[:, AGAINST.index(REFERENCE)].min() == 2e-3
    (alone,) = pooled([run("same", 1, {"toy.p.x": readings})])
    assert not alone.most[:, AGAINST.index(REFERENCE)].any()


def test_the_ratio_of_left_out_inputs_is_over_all_others():
    runs = [run("plain", seed, {"toy.p.x": most}) for seed, most in ((1, 1.0), (2, 2.0), (3, 6.0))]
    found = exceedances(pooled(runs))[:, 0, 0, 0]
    assert sorted(found) == [pytest.approx(1 / 6), pytest.approx(2 / 6), pytest.approx(3.0)]


def test_below_a_floor_nothing_is_exceeded():
    runs = [run("plain", seed, {"toy.p.x": most}, floors=10.0) for seed, most in ((1, 1.0), (2, 9.0))]
    assert set(exceedances(pooled(runs))[:, 0, 0, 0]) == {1.0}


def test_inputs_seen_once_leave_nothing_to_compare():
    assert exceedances(pooled([run("plain", 1, {"toy.p.x": 1.0})])).shape[0] == 0
    found = ratios(pooled([run("plain", 1, {"toy.p.x": 1.0})]))
    assert {ratio for (_, _, column), ratio in found.items() if column in FIGURES} == {1.0}
    assert {ratio for (_, _, column), ratio in found.items() if column not in FIGURES} == {1.25}, "the next bin"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 5), min_size=1, max_size=300), st.floats(1e-9, 0.1))
def test_a_ratio_is_never_below_what_was_seen(sample, rarity):
    assert extrapolated(np.array(sample), rarity) >= max(1.0, *sample)


def test_a_power_law_is_continued_to_what_is_rarer_than_the_sample():
    draw = np.random.default_rng(1)
    index, rarity = 0.15, 1e-6
    sample = (1 - draw.random(20_000)) ** -index
    assert extrapolated(sample, rarity) == pytest.approx(rarity**-index, rel=0.3)
    assert extrapolated(sample, 1e-8) > extrapolated(sample, 1e-6) > sample.max()


def test_bands_hold_every_reading_of_their_runs(tmp_path):
    draw = np.random.default_rng(2)
    runs = [
        run(member, seed, {name: draw.random((3, len(AGAINST), len(COLUMNS))) for name in NAMES}, case=case)
        for member in ("plain", "a")
        for seed in (1, 2)
        for case in ("one", "two")
    ]
    file = bands_of(iter(runs), Source("toy", "1.0.0", {"why": "a test"}))
    assert file.cases == {"one": {"bfloat16": 4}, "two": {"bfloat16": 4}}
    assert file.provenance["why"] == "a test"
    assert file.provenance["inputs"] == "2, seeds 1 to 2"
    assert {"torch", "machine", "members", "created"} <= file.provenance.keys()
    for one in runs:
        for at, name in enumerate(one.names):
            (row,) = [row for row in file.rows if fnmatchcase(name, row.tap)]
            assert row.runs == 8
            for (mode, against), cell in row.cells.items():
                m = ("chained", "teacher-forced", "isolated").index(mode)
                for column, kept in zip(JUDGED, cell, strict=True):
                    assert one.table[m, at, AGAINST.index(against), COLUMNS.index(column)] <= kept[-1]


def test_whole_numbers_that_some_run_has_one_off_may_be_so_in_a_few_places():
    odd = np.zeros((3, len(AGAINST), len(COLUMNS)))
    odd[0, :, 0], odd[0, :, 1] = 3e-5, 7e-3
    runs = [run("plain", 1, {"toy.p.bytes": 0.0}), run("a", 1, {"toy.p.bytes": odd})]
    (row,) = bands_of(runs, Source("toy", "1.0.0", {})).rows
    floors = dict(zip(JUDGED, row.floors, strict=True))
    assert floors["max_abs"] == 7e-3
    assert floors["relative_l2"] == pytest.approx(6e-5), "four elements"
    (never,) = bands_of(runs[:1], Source("toy", "1.0.0", {})).rows
    assert set(never.floors) == {0.0}, "whole numbers that nothing legitimate moves may not move"


def test_floors_leave_room_for_what_other_inputs_have_larger():
    """What one rounding of the largest element may make is another number for other inputs."""
    runs = [run("plain", seed, {"toy.p.x": 0.0}, floors=floor) for seed, floor in ((1, 1.0), (2, 1.0), (3, 1.5))]
    (ratio,) = set(floor_ratios(pooled(runs)))
    assert ratio > 1.5, "the third's over the others', and what is rarer"
    (found,) = bands_of(runs, Source("toy", "", {})).rows
    assert set(found.floors) == {1.5 * ratio}
    assert set(floor_ratios(pooled(runs[:1]))) == {1.0}


# Many of them nearly alike, one above another here and below it there.
alike = st.integers(0, 4).map(lambda steps: 2.0 ** (steps / 8))
numbers = st.one_of(st.just(0.0), st.just(math.inf), st.floats(1e-12, 1e3))


def cells_of(numbers):
    return st.tuples(*(st.tuples(*[numbers] * len(levels(column))).map(sorted).map(tuple) for column in JUDGED))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(cells_of(alike), cells_of(numbers)), min_size=1, max_size=30))
def test_a_shared_cell_allows_no_less_and_hardly_more(cells):
    empty = row("toy.*.x")
    rows = [replace(empty, tap=f"toy.*.x{at:02d}", cells=dict.fromkeys(PLACES, one)) for at, one in enumerate(cells)]
    found = shared(rows)
    assert [(one.tap, one.runs, one.floors) for one in found] == [(one.tap, one.runs, one.floors) for one in rows]
    for before, after in zip(rows, found, strict=True):
        for place, cell in before.cells.items():
            for old, new in zip(flat(cell), flat(after.cells[place]), strict=True):
                # Kept in steps of an eighth of an octave, rounded up, and at most NEARLY of them above.
                assert old <= new * (1 + 1e-9)
                assert new <= old * 2 ** ((NEARLY + 1) / STEPS) * (1 + 1e-9)


def test_cells_that_are_nearly_alike_are_one_in_the_file():
    rows = [row(f"toy.*.x{at}", most=2.0 ** (at / 8)) for at in range(3)]
    assert len({cell for one in shared(rows) for cell in one.cells.values()}) == 1
    apart = [row(f"toy.*.x{at}", most=2.0**at) for at in range(3)]
    assert len({cell for one in shared(apart) for cell in one.cells.values()}) == 3


def flat(cell):
    return [number for quantiles in cell for number in quantiles]
