"""Maps of the worst readings in a report: kept of few, read strictly, and told in words."""

import copy
import json
from dataclasses import replace
from math import inf

import pytest
import torch
from report_cases import BAD, KINDS, in_terminal, one_case, one_pass, one_run, run_of, tap

from parity.errors import BadInputError
from parity.judge import Measurement
from parity.metrics import ErrorMap, HeadAxis, HeadShares, compare, error_map
from parity.report import as_report, from_document, to_document, to_markdown
from parity.report.map_text import map_text
from parity.run.maps import MAPPED

MAPPED_KINDS = {kind for kind in KINDS if tap(kind).measurement.map is not None}


def document(*kinds):
    return json.loads(json.dumps(to_document(run_of(*(tap(kind, f"{at} {kind}") for at, kind in enumerate(kinds))))))


def rows(found):
    return found["cases"][0]["forwards"][0]["mapped"]


def test_what_is_identical_has_no_map_and_what_is_not_has_its_own():
    kept = {found.place.tap for found in as_report(run_of(*(tap(k, k) for k in KINDS))).taps if mapped(found)}
    assert kept == (MAPPED_KINDS & {"activation", "within", *BAD})
    assert {"over", "within", "activation", "other bits"} <= kept


def mapped(found):
    return found.measured is not None and found.measured.map is not None


def test_a_run_keeps_the_maps_of_its_worst_readings_alone():
    taps = [tap("within", f"little {at}") for at in range(MAPPED)] + [tap("over", f"over {at}") for at in range(3)]
    kept = [found.place.tap for found in as_report(run_of(*taps)).taps if mapped(found)]
    assert len(kept) == MAPPED
    assert kept[-3:] == ["over 0", "over 1", "over 2"]
    assert "little 0" in kept
    assert f"little {MAPPED - 1}" not in kept


def test_the_histograms_of_a_peer_stand_beside_a_map_where_its_bits_are_others():
    (over,) = as_report(run_of(tap("over"))).taps
    peer = tap("over").measurement.peer
    assert over.measured.peer_histograms.errors == dict(peer.error_histogram)
    assert over.measured.peer_histograms.ulps == dict(peer.ulp_histogram)
    (bare,) = as_report(run_of(tap("other bits"))).taps
    assert bare.measured.peer_histograms is None


@pytest.mark.parametrize("kind", sorted(MAPPED_KINDS))
def test_maps_are_read_as_they_were_written(kind):
    report = as_report(run_of(tap(kind)))
    assert from_document(json.loads(json.dumps(to_document(report)))) == report


CELLS = {
    "a letter too many": lambda row: row.__setitem__(2, row[2] + "B"),
    "a letter too few": lambda row: row.__setitem__(2, row[2][:-1]),
    "another letter": lambda row: row.__setitem__(2, "A" + "?" * (len(row[2]) - 1)),
    "no largest": lambda row: row.__setitem__(2, "B" * len(row[2])),
    "no letters": lambda row: row.__setitem__(2, ""),
    "numbers": lambda row: row.__setitem__(2, [1] * len(row[2])),
    "another error": lambda row: row.__setitem__(2, "A" * len(row[2])),
    "a peak below 0": lambda row: row.__setitem__(1, -row[1]),
    "no peak": lambda row: row.__setitem__(1, 0),
    "a peak that is none": lambda row: row.__setitem__(1, "nan"),
    "an infinite peak": lambda row: row.__setitem__(1, "inf"),
    "another peak": lambda row: row.__setitem__(1, row[1] * 1.5),
    "another reading": lambda row: row.__setitem__(0, 1),
    "no such reading": lambda row: row.__setitem__(0, 9),
    "a share below 0": lambda row: row.__setitem__(3, [row[3][0], -0.5, 1.5]),
    "shares of more than all": lambda row: row.__setitem__(3, [row[3][0], 0.9, 0.9]),
    "a share that is none": lambda row: row.__setitem__(3, [row[3][0], "nan", 0.5]),
    "no heads in the list": lambda row: row.__setitem__(3, []),
    "one head": lambda row: row.__setitem__(3, [row[3][0], 1.0]),
    "heads that do not fit": lambda row: row.__setitem__(3, [row[3][0], 0.5, 0.25, 0.25]),
    "an axis that is none": lambda row: row.__setitem__(3, [9, *row[3][1:]]),
    "an axis that is a float": lambda row: row.__setitem__(3, [float(row[3][0]), *row[3][1:]]),
    "an axis between two": lambda row: row.__setitem__(3, [0.5, *row[3][1:]]),
    "an axis beyond all": lambda row: row.__setitem__(3, ["inf", *row[3][1:]]),
    "too few names of axes": lambda row: row.__setitem__(4, row[4][:-1]),
    "names that are none": lambda row: row.__setitem__(4, [1, 2, 3]),
    "no histogram of a peer": lambda row: row.__setitem__(5, None),
    "neither histogram of a peer": lambda row: row.__setitem__(slice(5, 7), [None, None]),
    "a histogram of more elements": lambda row: row.__setitem__(slice(5, 7), [[99], [99]]),
    "histograms that differ": lambda row: row.__setitem__(5, [1]),
    "a count below 0": lambda row: row.__setitem__(5, [-1]),
    "a column less": list.pop,
}


@pytest.mark.parametrize("damage", CELLS.values(), ids=CELLS.keys())
def test_a_map_that_does_not_fit_its_reading_is_refused(damage):
    found = document("over", "identical")
    assert from_document(copy.deepcopy(found))
    damage(rows(found)[0])
    with pytest.raises(BadInputError):
        from_document(found)


def test_a_peers_histograms_are_refused_where_there_is_no_other_peer():
    found = document("other bits")
    rows(found)[0][5:] = [[24], [24]]
    with pytest.raises(BadInputError, match="only there"):
        from_document(found)


def test_a_peak_that_is_none_is_refused_where_the_readings_error_is_infinite_too():
    for peak in (0, -1.0, "nan", "inf"):
        found = document("infinite error")
        assert from_document(copy.deepcopy(found)).taps[0].relative_l2 == inf
        rows(found)[0][1] = peak
        with pytest.raises(BadInputError, match="peak"):
            from_document(found)


def test_a_reading_with_the_peers_own_bits_keeps_its_histograms_once():
    over = tap("over")
    same = replace(over, measurement=replace(over.measurement, against_reference=True))
    (kept,) = from_document(json.loads(json.dumps(to_document(run_of(same))))).taps
    assert mapped(kept)
    assert kept.measured.peer_histograms is None


def test_readings_mapped_twice_or_out_of_order_are_refused():
    for change in (list.reverse, lambda found: found.append(found[-1])):
        found = document("over", "within")
        assert len(rows(found)) == 2
        change(rows(found))
        with pytest.raises(BadInputError, match="mapped"):
            from_document(found)


def with_map(candidate, reference, heads=None, axes=()):
    found = compare(candidate, reference)
    seen = error_map(candidate, reference, found.max_abs, heads)
    return replace(tap("other bits"), measurement=Measurement(found, None, False, replace(seen, axes=axes)))


def test_the_first_divergence_says_where_most_of_the_error_lies():
    reference = torch.ones(1, 64, 128)
    candidate = reference.clone()
    candidate[0, 6:8, 100:104] += 1
    run = one_run(one_case(one_pass(with_map(candidate, reference, HeadAxis(2, 4), ("batch", "tokens", "channels")))))
    told = "100.0% of it at 6..7 of axis 1 (tokens) by 100..103 of axis 2 (channels); head 3 of 4 holds 100.0%"
    assert told in " ".join(in_terminal(run, 1000).split())
    assert told in to_markdown(run)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8,), "100.0% of it at index 7 of axis 0"),
        ((2, 3, 4), "100.0% of it at index 5 of the 6 rows of axes 0, 1 (2x3) by index 3 of axis 2"),
        ((1, 3, 4), "100.0% of it at index 2 of axis 1 by index 3 of axis 2"),
        ((65, 2), "100.0% of it at 63..64 of axis 0 by index 1 of axis 1"),
    ],
)
def test_a_place_is_named_by_its_axes(shape, expected):
    candidate = torch.zeros(shape)
    candidate.view(-1)[-1] = 1.0
    assert map_text(error_map(candidate, torch.zeros(shape), 1.0), shape) == [expected]


def test_what_is_spread_evenly_has_no_place():
    assert map_text(ErrorMap(1.0, "A" * 1024, HeadShares(1, (0.5, 0.5))), (32, 32)) == []
