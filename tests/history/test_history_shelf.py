"""Runs in a folder: kept whole or not at all, read strictly, told of in a page."""

import gzip
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from history_cases import HOME, brief, key, over, same, within
from hypothesis import given, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from report_cases import one_case, one_pass, one_run, runs, tap

from parity.errors import BadInputError
from parity.history import brief_of, history_entry, keep, open_run, shelf
from parity.history import document as documents
from parity.report import as_report, write_report

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def report(kind: str = "within", **provenance: str):
    return as_report(one_run(one_case(one_pass(tap(kind), tap("identical", "other"))), **provenance))


@settings(max_examples=40)
@given(runs())
def test_a_brief_is_read_as_it_was_written(run) -> None:
    found = brief_of(as_report(run), "2026-11-25T08:00:00Z")
    assert documents.unpacked(documents.packed(found), "here") == found


def test_a_kept_run_stands_as_its_report_did(tmp_path) -> None:
    kept = open_run(keep(report("over", device="cpu"), tmp_path, NOW))
    stands = {key.tap: stand.verdict for key, stand in kept.stands.items()}
    assert stands == {"tap": "over", "other": "identical"}
    assert (kept.when, kept.exit_code, kept.provenance) == ("2026-11-25T08:00:00Z", 1, {"device": "cpu"})


def test_a_run_written_whole_is_read_as_the_one_that_was_kept(tmp_path) -> None:
    write_report(report(), tmp_path / "run.json")
    kept = open_run(keep(report(), tmp_path, NOW))
    assert open_run(tmp_path / "run.json").stands == kept.stands


def test_a_folder_lists_its_runs_by_time_and_says_what_is_none(tmp_path) -> None:
    later, first = keep(report(), tmp_path, NOW + timedelta(hours=1)), keep(report("over"), tmp_path, NOW)
    (tmp_path / "latest").mkdir()
    write_report(report(), tmp_path / "latest" / "run.json")
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / ".half.json.gz").write_bytes(b"half")
    found = shelf(tmp_path)
    assert [run.path for run in found.runs] == [tmp_path / "latest" / "run.json", first, later]
    assert ["notes.json" in str(refusal) for refusal in found.refused] == [True]


def test_the_same_run_gives_the_same_name_and_bytes_but_for_the_time(tmp_path) -> None:
    one, again = keep(report(), tmp_path, NOW), keep(report(), tmp_path, NOW)
    assert one == again
    assert open_run(keep(report(), tmp_path, NOW + timedelta(1))).stands == open_run(one).stands


@pytest.mark.parametrize("damage", ["cut", "tail", "other schema", "twice", "text", "position", "verdict", "huge"])
def test_what_is_no_whole_brief_is_refused_in_one_line(tmp_path, damage, monkeypatch) -> None:
    path = keep(report(), tmp_path, NOW)
    raw = path.read_bytes()
    value = documents.to_document(open_run(path))
    if damage == "other schema":
        value["schema"] = "ltx-parity/brief/9"
    elif damage == "twice":
        value["passes"][0][4] *= 2
    elif damage == "position":
        value["passes"][0][4] = [[99, 0]]
    elif damage == "verdict":
        value["passes"][0][4][0][2] = 3
    elif damage == "text":
        value["when"] = 5
    elif damage == "huge":
        monkeypatch.setattr(documents, "LARGEST", 100)
    import json

    written = {"cut": raw[:-5], "tail": raw + b"x"}.get(damage) or gzip.compress(json.dumps(value).encode())
    path.write_bytes(written)
    with pytest.raises(BadInputError) as refusal:
        open_run(path)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_missing_things_are_refused(tmp_path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        shelf(tmp_path / "none")
    with pytest.raises(BadInputError, match="No such file"):
        open_run(tmp_path / "none.json")


def test_a_page_tells_only_what_differs_from_the_next_run() -> None:
    now = report()
    own = brief_of(now)
    (tap_key,) = [one for one in own.stands if one.tap == "tap"]
    older = brief({**own.stands, tap_key: over(1.0)}, "first")
    oldest = brief({one: stand for one, stand in own.stands.items() if one != tap_key}, "before")
    told = history_entry(now, [oldest, older, brief(dict(own.stands), "second")])
    assert [(run["when"], run["differs"]) for run in told["runs"]] == [
        ("before", [[0, None, None]]),
        ("first", [[0, 1.0, 2]]),
        ("second", []),
    ]


def test_a_run_that_was_just_kept_is_not_told_twice(tmp_path) -> None:
    now = report(device="cpu")
    assert history_entry(now, [open_run(keep(now, tmp_path, NOW))])["runs"] == []


def test_a_history_too_long_for_a_page_loses_its_oldest_runs_and_says_so(monkeypatch) -> None:
    from parity.history import telling

    monkeypatch.setattr(telling, "MOST_DIFFERENCES", 1)
    now = report()
    flips = [brief({key("tap", home=HOME): within(at + 1.0), key("other"): same()}, str(at)) for at in range(3)]
    told = history_entry(now, flips)
    assert ([run["when"] for run in told["runs"]], told["left_out"]) == (["2"], 2)
