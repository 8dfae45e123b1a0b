"""Pages, histories and comparisons by the command line; and watching."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from parity.cli import main, watch
from parity.errors import ExitCode
from parity.ltx23.candidate import PORT, fingerprint
from parity.report import Report, read_report

QUICK = ["--suite", "exact", "--case", "latents-square", "--dtype", "float32", "--reference", "live", "--quiet"]
pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one case and then one with a fault, each written whole and kept in brief."""
    folder = tmp_path_factory.mktemp("runs")
    fault = ["--fault", "N1"]
    for name, more in (("first", []), ("again", []), ("faulty", fault)):
        out = folder / name
        assert main(["run", *QUICK, *more, "--output", str(out), "--history", str(folder / "history")]) == bool(more)
    return folder


def test_the_same_run_gives_the_same_files(folder: Path) -> None:
    for name in ("run.json", "run.md"):
        assert (folder / "first" / name).read_bytes() == (folder / "again" / name).read_bytes()
    kept = sorted((folder / "history").iterdir())
    # The name is of the time and the content, and two runs within a second share it.
    assert len(kept) in (2, 3)


def test_a_written_run_has_a_page_beside_it(folder: Path) -> None:
    assert sorted(path.name for path in (folder / "first").iterdir()) == ["run.html", "run.json", "run.md"]
    assert (folder / "first" / "run.html").read_bytes().startswith(b"<!DOCTYPE html>")


def test_a_run_says_which_code_it_judged(folder: Path) -> None:
    run = json.loads((folder / "first" / "run.json").read_text())
    assert run["provenance"]["candidate_code"] == fingerprint(PORT)


def test_other_code_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    seen = {fingerprint(tmp_path)}
    (tmp_path / "a.py").write_text("x = 2\n")
    seen.add(fingerprint(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    seen.add(fingerprint(tmp_path))
    assert len(seen) == 3


def test_report_writes_a_page_and_keeps_the_runs_exit_code(folder: Path, tmp_path: Path, capsys) -> None:
    page = tmp_path / "page.html"
    faulty, first = folder / "faulty" / "run.json", folder / "first" / "run.json"
    more = ["--against", str(first), "--history", str(folder / "history")]
    assert main(["report", str(faulty), "--html", str(page), *more]) == 1
    assert capsys.readouterr().out == f"page: {page}\n"
    assert page.stat().st_size < 5e6


def test_report_needs_a_page_to_show_a_comparison_in(folder: Path, capsys) -> None:
    run = str(folder / "first" / "run.json")
    assert main(["report", run, "--against", run]) == 2
    assert "--html FILE.html" in capsys.readouterr().err


def test_runs_lists_what_is_kept_and_what_is_written(folder: Path, capsys) -> None:
    assert main(["runs", str(folder), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["runs"]
    assert sorted(Path(run["path"]).parent.name for run in listed) == ["again", "faulty", "first"]
    assert main(["runs", str(folder / "history")]) == 0
    assert "OVER BUDGET" in capsys.readouterr().out


def test_runs_says_what_is_no_run(tmp_path: Path, capsys) -> None:
    (tmp_path / "x.json").write_text("[]")
    assert main(["runs", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("before", "after", "code"), [("first", "faulty", 1), ("faulty", "first", 0), ("first", "again", 0)]
)
def test_compare_runs_tells_a_regression_by_its_exit_code(
    folder: Path, before: str, after: str, code: int, capsys
) -> None:
    paths = [str(folder / name / "run.json") for name in (before, after)]
    assert main(["compare-runs", *paths]) == code
    line = capsys.readouterr().out.splitlines()[0]
    assert main(["compare-runs", *paths, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["verdict"] == line
    assert main(["compare-runs", *paths, "--markdown"]) == code
    assert capsys.readouterr().out.splitlines()[0] == f"## {line}"


def test_compare_runs_refuses_a_factor_that_means_nothing(folder: Path) -> None:
    run = str(folder / "first" / "run.json")
    with pytest.raises(SystemExit) as end:
        main(["compare-runs", run, run, "--factor", "0.5"])
    assert end.value.code == 2


def test_watch_runs_again_when_a_file_changes_and_says_what_that_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [read_report(folder / name / "run.json") for name in ("first", "faulty")]

    def run(options: list[str], screen: object) -> tuple[ExitCode, Report]:
        report = results.pop(0)
        if results:
            (tmp_path / "notes.txt").write_text("not code")
            threading.Timer(0.5, (tmp_path / "a.py").write_text, ("changed",)).start()
        return report.exit_code, report

    monkeypatch.setattr(watch, "_run", run)
    assert main(["watch", "--path", str(tmp_path), "--times", "2"]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("WITHIN BUDGET")
    assert "since the run before: WORSE: " in shown.out
    assert shown.err.count("watching") == 2
    assert results == []


def test_watch_makes_real_runs_of_what_it_is_told_and_goes_on_where_one_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watching = ["watch", "--path", str(tmp_path), "--times", "1", "--"]
    assert main([*watching, *QUICK]) == 0
    assert "exact/latents-square" in capsys.readouterr().out
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'Traceback' >&2\necho 'SyntaxError: half a line' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    assert main([*watching, *QUICK]) == 2
    assert "SyntaxError: half a line" in capsys.readouterr().err


def test_watch_ends_when_it_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(options: list[str], screen: object) -> tuple[ExitCode, None]:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        return ExitCode.BAD_INPUT, None

    monkeypatch.setattr(watch, "_run", run)
    # Tests that a shell started in the background inherit a SIGINT that is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["watch", "--path", str(tmp_path)]) == 130
    finally:
        signal.signal(signal.SIGINT, before)


def test_watch_refuses_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--path", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
