"""`ltx-parity calibrate`: kept and resumed after a kill, refusals in one line, and the lock of the budgets."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parity.calibrate.band import Bands
from parity.cli.main import main
from parity.judge import Budgets
from parity.ltx23.binding import BINDING

# Dies while a run is on its way to its name, when three have theirs.
KILLED = """
import os, signal, sys
from parity.cli.main import main
replace, left = os.replace, [3]
def dying(source, target):
    if "measured" in str(target):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
    replace(source, target)
os.replace = dying
main(sys.argv[1:])
"""
ARGUMENTS = ["calibrate", "--quiet", "--case", "latents-square", "--dtype", "bfloat16", "--runs", "1", "--output"]


@pytest.mark.reference
def test_a_kill_loses_no_finished_run_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, *ARGUMENTS, str(tmp_path)], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "measured").glob("*.safetensors")}
    assert len(kept) == 3
    assert not list(tmp_path.glob("*.json"))
    assert main([*ARGUMENTS, str(tmp_path), "--json", "--tighten"]) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "measured again"
    told = json.loads(capsys.readouterr().out)
    assert told["runs"] == len(list((tmp_path / "measured").glob("*.safetensors"))) == 13
    bands = Bands.load(Path(told["bands"]["latents"]))
    assert bands.files[0].cases == {"latents-square": {"bfloat16": 13}}
    assert bands.files[0].provenance["command"] == (
        "ltx-parity calibrate --output FOLDER --stage latents --case latents-square --dtype bfloat16 --runs 1"
    )
    assert Budgets.load(Path(told["budgets"]["latents"]), "latents.").rows
    assert all(row["after"] < row["before"] for row in told["tightened"])


def test_runs_that_have_no_place_are_bad_input_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ltx_core", reason="measures the reference")
    (tmp_path / "measured").touch()
    assert main([*ARGUMENTS, str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"ltx-parity: {tmp_path / 'measured'}: ")
    assert shown.err.count("\n") == 1


class Locked:
    """A binding with the budgets of LTX-2.3 and a lock of its own."""

    def __init__(self, path: Path, budgets: Budgets):
        self._path, self._budgets = path, budgets

    def budgets(self) -> Budgets:
        return self._budgets

    def budget_lock(self) -> Path:
        return self._path


def test_the_lock_is_written_and_refuses_a_budget_looser_without_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def locks(budgets: Budgets) -> tuple[int, Any]:
        monkeypatch.setattr("parity.cli.calibrate.load_binding", lambda _: Locked(tmp_path / "lock.json", budgets))
        code = main(["calibrate", "--quiet", "--lock", "--json"])
        return code, json.loads(capsys.readouterr().out)

    budgets = BINDING.budgets()
    at = next(n for n, row in enumerate(budgets.rows) if "relative_l2" in row.allowances)
    row = budgets.rows[at]
    wider = replace(row.allowances["relative_l2"], ceiling=9.0)
    loose = replace(row, allowances={**row.allowances, "relative_l2": wider})

    def having(one: Any) -> Budgets:
        return Budgets([*budgets.rows[:at], one, *budgets.rows[at + 1 :]], "budgets.toml")

    assert locks(budgets) == (0, {"lock": str(tmp_path / "lock.json"), "rows": len(budgets.rows), "refused": []})
    before = (tmp_path / "lock.json").read_bytes()
    code, told = locks(having(loose))
    assert code == 1
    assert "looser than it was" in told["refused"][0]
    assert (tmp_path / "lock.json").read_bytes() == before
    assert locks(having(replace(loose, reason="measured on another machine")))[0] == 0
    assert (tmp_path / "lock.json").read_bytes() != before
    assert locks(budgets)[0] == 0, "back to what it was: tighter"
