"""The file that `--parity-json` writes."""

import json
from pathlib import Path

import pytest

import parity.pytest_plugin as plugin
from parity.metrics import TensorComparison

pytest_plugins = ["pytester"]

BOTH = """
def test_b_good(parity):
    parity.compare(*pair(), ((X,), {}), taps=TAPS)

def test_a_bad(parity):
    parity.compare(*pair(0.5), ((X,), {}), taps=TAPS)

def test_c_misnamed(parity):
    parity.compare(*pair(), ((X,), {}), taps={"up": ("up", "up")})

def test_d_no_comparison():
    pass
"""


def test_the_json_file_holds_every_comparison(inner, pytester):
    inner(BOTH, "--parity-json", "out.json").assert_outcomes(passed=2, failed=2)
    document = json.loads((pytester.path / "out.json").read_text())
    assert (document["schema"], document["complete"]) == (plugin.SCHEMA, True)
    found = {entry["test"].split("::")[1]: entry for entry in document["comparisons"]}
    assert {test: entry["exit_code"] for test, entry in found.items()} == {
        "test_a_bad": 1,
        "test_b_good": 0,
        "test_c_misnamed": 2,
    }
    taps = found["test_a_bad"]["taps"]
    assert [tap["tap"] for tap in taps] == ["in", "up", "act", "down", "out"]
    assert [tap["verdict"] for tap in taps] == ["identical", "identical", "over", "over", "over"]
    comparison = TensorComparison.from_json(taps[2]["comparison"])
    assert comparison.relative_l2 == taps[2]["exceeded"]["bits"][0] > 0
    assert "does not parse" in found["test_c_misnamed"]["incomplete"][0]


def test_a_file_that_cannot_be_written_is_a_usage_error(inner):
    result = inner(BOTH, "--parity-json", "absent/out.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--parity-json*No such file*"])


def test_an_older_file_never_passes_for_a_session_that_died(inner, pytester):
    path = pytester.path / "out.json"
    path.write_text("an older one")
    body = """
import json
import pathlib

def test_as_it_is_while_the_session_runs():
    document = json.loads(pathlib.Path("out.json").read_text())
    assert (document["complete"], document["comparisons"]) == (False, [])
"""
    inner(body, "--parity-json", str(path)).assert_outcomes(passed=1)
    assert json.loads(path.read_text())["complete"] is True


KEEPS = """
import pytest

@pytest.mark.parametrize("number", [2, 1, 0])
def test_it(parity, number):
    parity._keep({"exit_code": number, "incomplete": [], "taps": [{"tap": "one"}]})
    assert number != 1
"""


def test_comparisons_come_home_from_the_workers_of_xdist(pytester, monkeypatch):
    pytest.importorskip("xdist")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(plugin.__file__).parents[1]))
    # What is carried is what counts here; without the engine neither process has to load torch.
    pytester.makepyfile(KEEPS)
    args = ("-p", "parity.pytest_plugin", "-p", "xdist", "-n", "1", "--parity-json", "out.json")
    pytester.runpytest_subprocess(*args).assert_outcomes(passed=2, failed=1)
    document = json.loads((pytester.path / "out.json").read_text())
    assert [entry["exit_code"] for entry in document["comparisons"]] == [0, 1, 2]
    assert document["comparisons"][0]["taps"] == [{"tap": "one"}]
