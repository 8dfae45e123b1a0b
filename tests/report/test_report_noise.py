"""Bands of noise in a report: of each reading that has one, kept once, and read strictly."""

import copy
import json

import pytest
from report_cases import MODES, in_terminal, one_case, one_pass, one_run, tap
from test_report_classes import bands

from parity.errors import BadInputError
from parity.report import as_report, from_document, to_document, to_markdown
from parity.report.sheets import drift_sheets

RUN = one_run(
    one_case(one_pass(*(tap(kind, f"toy.p.{name}", mode) for name, kind in
                        (("first", "identical"), ("second", "over"), ("fourth", "within")) for mode in MODES)))
)  # fmt: skip


def document():
    return json.loads(json.dumps(to_document(as_report(RUN, bands()))))


def test_each_reading_has_the_band_of_its_tap_and_mode_and_no_other():
    taps = as_report(RUN, bands()).taps
    assert {found.place.tap: found.noise is not None for found in taps} == {
        "toy.p.first": True, "toy.p.second": True, "toy.p.fourth": False,
    }  # fmt: skip
    noise = taps[0].noise
    # The median is of half, the bound of all of the ensemble; over a peer, errors are taken against the truth.
    assert (noise.against, noise.runs, noise.median, noise.bound) == ("truth", 64, 0.005, 0.01)


def test_without_calibration_there_is_none():
    plain = as_report(RUN)
    assert not any(found.noise for found in plain.taps)
    found = to_document(plain)
    assert found["bands"] == []
    assert found["cases"][0]["forwards"][0]["bands"] is None


def test_a_pass_in_which_all_is_alike_tells_no_bands():
    alike = one_run(one_case(one_pass(tap("identical", "toy.p.first"), tap("identical", "toy.p.second"))))
    assert not any(found.noise for found in as_report(alike, bands()).taps)


def test_a_band_that_readings_share_is_kept_once():
    found = document()
    assert found["cases"][0]["forwards"][0]["bands"] == [1] * 6 + [0] * 3
    assert len(found["bands"]) == 1


def test_bands_are_read_as_they_were_written():
    report = as_report(RUN, bands())
    assert from_document(copy.deepcopy(document())) == report


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found["bands"].append(found["bands"][0]),
        lambda found: found["bands"][0].__setitem__(1, 0),
        lambda found: found["bands"][0].__setitem__(0, 2),
        lambda found: found["bands"][0].__setitem__(2, -1.0),
        lambda found: found["bands"][0].__setitem__(3, "nan"),
        lambda found: found["bands"][0].__setitem__(3, 0.001),
        lambda found: found["bands"][0].pop(),
        lambda found: found["bands"].clear(),
        lambda found: pass_of(found)["bands"].pop(),
        lambda found: pass_of(found)["bands"].append(0),
        lambda found: pass_of(found)["bands"].__setitem__(0, 2),
        lambda found: pass_of(found)["bands"].__setitem__(0, -1),
        lambda found: pass_of(found).__setitem__("bands", [0] * 9),
        lambda found: pass_of(found).__setitem__("bands", None),
    ],
)
def test_bands_that_do_not_fit_are_refused(damage):
    found = document()
    damage(found)
    with pytest.raises(BadInputError):
        from_document(found)


def test_a_pass_that_lists_no_band_is_refused():
    found = json.loads(json.dumps(to_document(as_report(RUN))))
    pass_of(found)["bands"] = [0] * 9
    with pytest.raises(BadInputError, match="9 numbers up to 0"):
        from_document(found)


def pass_of(found):
    return found["cases"][0]["forwards"][0]


def test_bands_without_classes_are_refused():
    found = document()
    pass_of(found)["classes"] = None
    found["outcome"] |= {"classes": None, "first_divergence": {**found["outcome"]["first_divergence"], "class": None}}
    with pytest.raises(BadInputError, match="bands without classes"):
        from_document(found)


def test_the_births_of_errors_stand_beside_their_bands():
    report = as_report(RUN, bands())
    (births,) = [sheet for sheet in drift_sheets(report) if sheet.title.startswith("Where error is born")]
    headings = [column.heading for column in births.columns]
    assert headings == ["tap", "born", "noise", "share", "used", "verdict"]
    assert {row[0].rpartition(".")[2]: row[2] for row in births.rows} == {"second": "1.0e-02", "fourth": "-"}
    for text in (in_terminal(report, 200), to_markdown(report)):
        assert "noise: what an error there may be and be noise" in " ".join(text.split())
    plain = [sheet for sheet in drift_sheets(as_report(RUN)) if sheet.title.startswith("Where error is born")]
    assert "noise" not in [column.heading for column in plain[0].columns]
