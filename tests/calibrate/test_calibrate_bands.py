"""Bands: exactly one for each tap, mode, precision and figure; kept without a number rounded down."""

import json
import math

import pytest
from calibrate_cases import MODES, bands, bands_file, row
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.calibrate.band import Band, Bands
from parity.calibrate.bands_file import PLACES, encode
from parity.calibrate.reading import AGAINST, FIGURES, JUDGED, TRUTH
from parity.errors import BadInputError, IncompleteError

TWO = (row("toy.*.a", 1e-3), row("toy.*.b", 2e-3))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("figure", JUDGED)
@pytest.mark.parametrize("against", AGAINST)
def test_every_figure_of_every_mode_has_exactly_one_band(mode, figure, against):
    found = bands(*TWO).of("toy.pass.b", mode, "bfloat16", figure, against)
    assert (found.tap, found.mode, found.dtype, found.figure, found.against) == (
        "toy.pass.b", mode, "bfloat16", figure, against
    )  # fmt: skip
    assert found.most == found.quantiles[-1][1] == pytest.approx(2e-3)
    assert found.runs == 64


def test_a_band_is_against_the_truth_unless_asked_otherwise():
    assert bands(*TWO).of("toy.pass.a", "isolated", "bfloat16", "max_abs").against == TRUTH


@pytest.mark.parametrize(
    ("tap", "mode", "dtype", "figure"),
    [
        ("toy.pass.c", "isolated", "bfloat16", "max_abs"),
        ("toy.pass.more.a", "isolated", "bfloat16", "max_abs"),
        ("other.pass.a", "isolated", "bfloat16", "max_abs"),
        ("toy.pass.a", "isolated", "float32", "max_abs"),
        ("toy.pass.a", "dumps", "bfloat16", "max_abs"),
        ("toy.pass.a", "isolated", "bfloat16", "cosine"),
    ],
)
def test_a_missing_band_is_incomplete(tap, mode, dtype, figure):
    with pytest.raises(IncompleteError, match="no band"):
        bands(*TWO).of(tap, mode, dtype, figure)


def test_two_bands_for_one_tap_are_refused():
    with pytest.raises(BadInputError, match="exactly one"):
        bands(row("toy.*.a0"), row("toy.*.a[0-9]")).of("toy.pass.a0", "isolated", "bfloat16", "max_abs")


def test_bands_of_several_stages_are_looked_up_as_one(tmp_path):
    merged = Bands.merged([bands(row("toy.*.a")), bands(row("two.*.a", 5e-3), stage="two")])
    assert merged.of("two.x.a", "chained", "bfloat16", "relative_l2").most == pytest.approx(5e-3)
    with pytest.raises(BadInputError, match="2 stages"):
        merged.save(tmp_path / "both.json")


@pytest.mark.parametrize(
    ("ratio", "most", "floor", "bound"), [(1.5, 2.0, 1.0, 3.0), (1.0, 0.0, 1.0, 1.0), (2.0, 0.25, 1.0, 1.0)]
)
def test_a_bound_is_the_most_times_the_ratio_and_never_below_the_floor(ratio, most, floor, bound):
    assert Band("t", "chained", "bfloat16", "max_abs", ((1.0, most),), 1, floor, ratio).bound == bound


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-18, 1e18), st.floats(0, 1), st.floats(1, 20))
def test_no_number_is_rounded_down_on_disk_nor_up_by_a_tenth(tmp_path_factory, most, floor, ratio):
    path = tmp_path_factory.mktemp("bands") / "bands.json"
    kept = bands(row("toy.*.a", most, floor=floor), ratio=ratio)
    kept.save(path)
    for mode, against in PLACES:
        for figure in JUDGED:
            old, new = (b.of("toy.p.a", mode, "bfloat16", figure, against) for b in (kept, Bands.load(path)))
            for (level, value), (same, read) in zip(old.quantiles, new.quantiles, strict=True):
                assert level == same
                assert value * (1 - 1e-9) <= read <= value * 1.1
            assert old.floor * (1 - 1e-9) <= new.floor <= old.floor * 1.1
            assert old.ratio <= new.ratio + 1e-9 <= old.ratio + 0.0101


def test_bands_that_were_read_are_written_as_they_were(tmp_path):
    path = tmp_path / "bands.json"
    bands(*TWO, row("toy.*.zero", 0.0), row("toy.*.far", math.inf), ratio=1.25).save(path)
    again = tmp_path / "again.json"
    Bands.load(path).save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_case_is_covered_in_the_precisions_that_were_calibrated_and_under_that_release():
    found = bands(*TWO, cases={"small": {"bfloat16": 64}})
    assert found.for_case("small", "bfloat16", "1.0.0") == found
    assert found.for_case("small@1.0.0", "bfloat16", "1.0.0") == found
    for other in (("small", "bfloat16", "1.2.0"), ("small@1.2.0", "bfloat16", "1.2.0"), ("small", "float32", "1.0.0")):
        assert not found.for_case(*other).files
    assert not found.for_case("other", "bfloat16", "1.0.0").files


def document():
    return json.loads(encode(bands_file(*TWO)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("ratios"),
        lambda d: d.update(more=1),
        lambda d: d.update(schema="other"),
        lambda d: d["layout"].update(columns=list(FIGURES)),
        lambda d: d["taps"].append(d["taps"][0]),
        lambda d: d["taps"][0].pop(),
        lambda d: d["taps"][0].__setitem__(4, 99),
        lambda d: d["taps"][0].__setitem__(4, -1),
        lambda d: d["taps"][0].__setitem__(2, 0),
        lambda d: d["cells"][0].reverse(),
        lambda d: d["cells"][0].append(0),
        lambda d: d["cells"][0].__setitem__(0, "nan"),
        lambda d: d["cells"][0].__setitem__(0, True),
        lambda d: d["floors"][0].pop(),
        lambda d: d["ratios"]["bfloat16"][0][0].__setitem__(0, 0.5),
        lambda d: d["ratios"].pop("bfloat16"),
        lambda d: d["cases"]["case"].update(bfloat16=0),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    found, path = document(), tmp_path / "bands.json"
    damage(found)
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(BadInputError) as refusal:
        Bands.load(path)
    assert str(refusal.value).startswith(str(path))
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"schema": "ltx-parity/bands/2"}', "\x00"])
def test_what_is_no_file_of_bands_is_refused(tmp_path, text):
    path = tmp_path / "bands.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError):
        Bands.load(path)
    with pytest.raises(BadInputError):
        Bands.load(tmp_path / "missing.json")
