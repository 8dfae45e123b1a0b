import dataclasses
import os
import stat

import pytest
from report_cases import KINDS, one_case, one_run, run_of, tap

from parity.errors import BadInputError
from parity.judge.verdict import TapPlace
from parity.report import as_report, read_report, write_report
from parity.run.record import ForwardResult

RUN = run_of(*(tap(kind, kind) for kind in KINDS))


def refused(path):
    with pytest.raises(BadInputError) as caught:
        read_report(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_report_read_from_disk_is_the_one_written(tmp_path):
    write_report(RUN, tmp_path / "run.json")
    assert read_report(tmp_path / "run.json") == as_report(RUN)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "run.json"
    write_report(run_of(tap("within")), path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"schema": NaN}',
        b'{"schema": "ltx-parity/run/3", "schema": "ltx-parity/run/3"}',
        b'{"schema": ' + b"9" * 5000 + b"}",
        b'{"schema": "ltx-parity/run/3", "outcome": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
    ids=["empty", "not UTF-8", "deep lists", "deep objects", "bare NaN", "key twice", "huge number", "nested"],
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path, raw):
    path = tmp_path / "run.json"
    path.write_bytes(raw)
    refused(path)


@pytest.mark.parametrize("bare", [b"NaN", b"Infinity", b"1e999"])
def test_a_bare_number_that_is_not_finite_is_refused(tmp_path, bare):
    path = tmp_path / "run.json"
    write_report(run_of(tap("nan")), path)
    raw = path.read_bytes()
    assert raw.count(b'"inf"') == 1
    path.write_bytes(raw.replace(b'"inf"', bare))
    refused(path)


def test_what_cannot_be_read_or_written_is_one_refusal(tmp_path):
    refused(tmp_path / "absent.json")
    refused(tmp_path)
    for path in (tmp_path / "absent" / "run.json", tmp_path):
        with pytest.raises(BadInputError, match="check the path"):
            write_report(RUN, path)


def test_a_failed_write_leaves_what_was_there_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_report(run_of(tap("identical")), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInputError, match="No space left"):
        write_report(RUN, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_name_that_utf8_cannot_hold_is_refused(tmp_path):
    with pytest.raises(BadInputError):
        write_report(run_of(tap("identical", "\ud800")), tmp_path / "run.json")
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_as_readable_as_any_new_file(tmp_path):
    write_report(RUN, tmp_path / "run.json")
    (tmp_path / "other").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("run.json", "other")}
    assert len(modes) == 1


def default_sized_run():
    """47,000 identical results and 8,000 measured ones, named and grouped as in a default run."""
    same, drifted = tap("identical"), tap("activation")
    passes = []
    for case in range(12):
        kind, count = (same, 4275) if case else (drifted, 8001)
        taps = [
            dataclasses.replace(
                kind,
                place=TapPlace(
                    f"case{case}",
                    f"pass{case % 4}",
                    f"transformer.pass{case % 4}.block{at // 60:02d}.video.text_cross.tap{at:04d}",
                    f"transformer.block{at // 60:02d}",
                    mode,
                ),
            )
            for mode in ("chained", "teacher-forced", "isolated")
            for at in range(count // 3)
        ]
        passes.append(one_case(ForwardResult(f"pass{case % 4}", tuple(taps), ()), case=f"case{case}"))
    return one_run(*passes)


def test_a_default_run_is_written_in_megabytes(tmp_path):
    run, path = default_sized_run(), tmp_path / "run.json"
    assert len(run.taps) > 54_000
    write_report(run, path)
    assert path.stat().st_size < 6.2e6
