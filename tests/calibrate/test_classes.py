"""The five classes, on readings made by hand."""

import math

import pytest
from calibrate_cases import MODES, bands, row
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.calibrate.reading import LEVELS, REFERENCE, TRUTH, Reading
from parity.classify import SEVERITY, Class, Seen, classify, worst
from parity.classify.held import Measure

CHAINED, FORCED, ISOLATED = MODES
# Chained noise 1e-2, isolated 1e-3; one tap without a band.
BANDS = bands(*(row(f"toy.*.{name}", 1e-2, isolated=1e-3) for name in "abcd"), ratio=1.5)
NOISE = {CHAINED: 9e-3, FORCED: 9e-3, ISOLATED: 9e-4}
SAME = dict.fromkeys(MODES)
DRIFTS = {CHAINED: 0.1, FORCED: 1e-3, ISOLATED: 1e-4}
BORN = {CHAINED: 0.1, FORCED: 0.1, ISOLATED: 0.1}


def reading(error):
    if error is None:
        return Reading(1e-3, 1e-3, (1e-3,) * len(LEVELS), True)
    return Reading(error, error, (error,) * len(LEVELS), False)


def seen(name, errors):
    return Seen(f"toy.p.{name}", f"block_{name}", {mode: reading(error) for mode, error in errors.items()})


def classes(against=TRUTH, gains=None, **taps):
    found = classify(
        [seen(name, errors) for name, errors in taps.items()], Measure(BANDS, "bfloat16", against), gains or {}
    )
    assert [one.tap for one in found] == [f"toy.p.{name}" for name in taps]
    assert all(one.evidence and len(one.evidence.splitlines()) == 1 for one in found)
    return found


def kinds(**taps):
    return [one.kind for one in classes(**taps)]


def test_the_references_own_bits_are_identical_whatever_its_error():
    assert kinds(a=SAME) == [Class.IDENTICAL]


def test_an_error_that_the_ensemble_makes_too_is_within_noise():
    (found,) = classes(a=NOISE)
    assert found.kind is Class.WITHIN_NOISE
    assert "0.0009 isolated" in found.evidence
    assert "the ensemble of 64 runs never exceeded 0.01" in found.evidence


def test_a_local_error_outside_the_ensemble_is_a_bug_with_its_numbers():
    (found,) = classes(a=BORN)
    assert found.kind is Class.BUG
    assert found.behind is None
    assert "relative L2 0.1 isolated; the ensemble of 64 runs never exceeded 0.001" in found.evidence
    assert "1.5 times" in found.evidence


def test_more_than_noise_in_the_end_with_every_step_within_it_is_drift_with_the_gain_of_blocks():
    before, after, found = classes(a=NOISE, b=NOISE, c=DRIFTS, gains={"block_a": 1.35, "block_b": 1.04})
    assert [before.kind, after.kind, found.kind] == [Class.WITHIN_NOISE, Class.WITHIN_NOISE, Class.DRIFT]
    assert "relative L2 0.1 chained; the ensemble of 64 runs never exceeded 0.01" in found.evidence
    assert "as at the 2 taps before" in found.evidence
    assert "block_a 1.35, block_b 1.04" in found.evidence


def test_behind_a_bug_an_error_is_drift_that_names_the_bug_unless_the_step_makes_one_of_its_own():
    bug, behind, noise, again = classes(a=BORN, b=DRIFTS, c=NOISE, d=BORN)
    assert [bug.kind, behind.kind, noise.kind, again.kind] == [Class.BUG, Class.DRIFT, Class.WITHIN_NOISE, Class.BUG]
    assert [bug.behind, behind.behind, again.behind] == [None, "toy.p.a", None]
    assert "from the bug at toy.p.a" in behind.evidence


def test_a_bug_behind_drift_does_not_make_the_drift_a_bug():
    assert kinds(a=DRIFTS, b=BORN) == [Class.DRIFT, Class.BUG]


def test_without_a_band_a_tap_is_incomplete_and_what_drifts_behind_it_too():
    first, second, third = classes(none=NOISE, b=DRIFTS, c=NOISE)
    assert [first.kind, second.kind, third.kind] == [Class.INCOMPLETE, Class.INCOMPLETE, Class.WITHIN_NOISE]
    assert "not calibrated" in first.evidence
    assert "toy.p.none" in second.evidence


def test_without_an_isolated_reading_drift_cannot_be_told_from_a_bug():
    assert kinds(a={CHAINED: 0.1}) == [Class.INCOMPLETE]
    assert kinds(a={CHAINED: 0.1, FORCED: 0.1}) == [Class.INCOMPLETE]
    assert kinds(a={CHAINED: 9e-3}) == [Class.WITHIN_NOISE]


def test_what_was_read_in_no_mode_that_tells_is_incomplete():
    assert kinds(a={}) == [Class.INCOMPLETE]
    assert kinds(a={FORCED: 1e-9}) == [Class.INCOMPLETE]


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_what_is_not_finite_is_never_noise(error):
    assert kinds(a={**NOISE, ISOLATED: error}) == [Class.BUG]
    assert kinds(a={**NOISE, CHAINED: error}) == [Class.DRIFT]


def test_the_references_own_bits_in_one_mode_are_no_bug_whatever_its_error_there():
    assert kinds(a={CHAINED: 9e-3, FORCED: 1e-9, ISOLATED: None}) == [Class.WITHIN_NOISE]
    wild = Reading(9.0, 9.0, (9.0,) * len(LEVELS), True)
    taps = [Seen("toy.p.a", "g", {CHAINED: reading(9e-3), ISOLATED: wild})]
    assert [one.kind for one in classify(taps, Measure(BANDS, "bfloat16", TRUTH), {})] == [Class.WITHIN_NOISE]


@pytest.mark.parametrize("figure", [0, 1, 3, 4])
def test_any_figure_of_the_distribution_outside_the_ensemble_is_a_bug(figure):
    numbers = [5e-4, 5e-4, 5e-4, 5e-4, 5e-4, 5e-4]
    numbers[figure] = 5e-3
    odd = Reading(numbers[0], numbers[1], tuple(numbers[2:]), False)
    taps = [Seen("toy.p.a", "g", {CHAINED: reading(9e-3), ISOLATED: odd})]
    (found,) = classify(taps, Measure(BANDS, "bfloat16", REFERENCE), {})
    assert found.kind is Class.BUG
    assert "0.005 isolated" in found.evidence
    assert "against the reference" in found.evidence


def test_a_ratio_beyond_the_most_is_allowed_and_no_more():
    assert kinds(a={**NOISE, ISOLATED: 1.49e-3}) == [Class.WITHIN_NOISE]
    assert kinds(a={**NOISE, ISOLATED: 1.51e-3}) == [Class.BUG]


def test_an_exact_step_is_allowed_one_rounding_and_says_so():
    floored = Measure(bands(row("toy.*.a", 0.0, floor=2e-3)), "bfloat16", TRUTH)
    within, over = (
        classify([Seen("toy.p.a", "g", {CHAINED: reading(1e-3), ISOLATED: reading(error)})], floored, {})[0]
        for error in (1.9e-3, 2.1e-3)
    )
    assert (within.kind, over.kind) == (Class.WITHIN_NOISE, Class.BUG)
    assert "never had any" in over.evidence
    assert "one rounding makes 0.002" in over.evidence


errors = st.one_of(st.none(), st.floats(1e-6, 1))
modes = st.fixed_dictionaries({}, optional=dict.fromkeys(MODES, errors))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "c", "none"]), modes, max_size=4))
def test_laws_of_classes(taps):
    found = classes(**taps)
    bug = None
    for one, (name, errors) in zip(found, taps.items(), strict=True):
        differs = any(error is not None for error in errors.values())
        isolated = errors.get(ISOLATED)
        if one.kind is Class.IDENTICAL:
            assert errors
            assert not differs
        if one.kind is Class.WITHIN_NOISE:
            assert name != "none"
            assert isolated is None or isolated <= 1.5e-3
            assert errors.get(CHAINED) is None or errors[CHAINED] <= 1.5e-2
        if one.kind is Class.DRIFT:
            assert one.behind == bug
            assert errors[CHAINED] > 1.5e-2
            assert isolated is None or isolated <= 1.5e-3
        if one.kind is Class.BUG:
            assert one.behind is None
            assert isolated > 1.5e-3
            bug = bug or one.tap


def test_a_group_is_what_its_worst_tap_is():
    assert worst([]) is None
    for at, kind in enumerate(SEVERITY):
        assert worst(list(SEVERITY[: at + 1])) is kind
    assert set(SEVERITY) == set(Class)
