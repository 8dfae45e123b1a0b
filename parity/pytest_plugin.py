"""A pytest fixture that compares two torch modules of any project, tap by tap.

    def test_the_port_follows_the_original(parity):
        x = torch.randn(2, 5, 8)
        parity.compare(
            MyBlock().eval(), TheirBlock().eval(), inputs=((x,), {"scale": 2.0}),
            taps={  # in data-path order: candidate's port, reference's port (grammar: parity/taps/port.py)
                "query": ("attention.q>out", "attn.to_q>out"),
                "out": (">out", ">out.0"),
            },
            budget={"relative_l2": 1e-6},  # or "bit-identical" (the default), or "same-values"
        )

A tap over budget, missing, misshapen, of another dtype or not finite fails the test with a drift table, first
divergence on top. `mode="isolated"` feeds every tapped value of the reference into the candidate, so that only
taps whose own step is wrong are over. `pytest --parity-json PATH` writes all comparisons as one JSON file.
"""

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from parity.errors import ExitCode, ParityError

# The engine imports torch, which a session that compares nothing must not pay for.
if TYPE_CHECKING:
    from torch import nn

    from parity.run.record import RunResult
    from parity.taps import TapPlan

SCHEMA = "ltx-parity/pytest/1"
_COMPARISONS = pytest.StashKey[list[dict[str, Any]]]()


class Comparer:
    """What the fixture `parity` gives to one test."""

    def __init__(self, test: str, comparisons: list[dict[str, Any]]):
        self._test, self._comparisons = test, comparisons

    def compare(
        self,
        candidate: "nn.Module",
        reference: "nn.Module",
        inputs: Any,
        *,
        taps: "Mapping[str, tuple[str, str]] | TapPlan",
        budget: str | Mapping[str, float] = "bit-identical",
        mode: str = "chained",
    ) -> "RunResult":
        """Run both modules and fail the test unless every tap is within budget; else give what was found.

        `parity.pairing.Pair` and `Terms` say what the arguments mean.
        """
        __tracebackhide__ = True
        from parity.pairing import Pair, Terms, compare_pair, drift_table, to_document

        try:
            result = compare_pair(Pair(candidate, reference, inputs), Terms(taps, budget, mode), self._test)
        except ParityError as error:
            self._keep({"exit_code": int(error.exit_code), "incomplete": [str(error)], "taps": []})
            pytest.fail(f"parity: {error}", pytrace=False)
        self._keep(to_document(result))
        if result.exit_code is not ExitCode.WITHIN_BUDGET:
            pytest.fail(drift_table(result), pytrace=False)
        return result

    def _keep(self, comparison: dict[str, Any]) -> None:
        self._comparisons.append({"test": self._test, **comparison})


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Comparer:
    """Compare two torch modules: `parity.compare(candidate, reference, inputs, taps=..., budget=..., mode=...)`."""
    return Comparer(request.node.nodeid, request.node.stash.setdefault(_COMPARISONS, []))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command-line option."""
    group = parser.getgroup("parity", "tensor parity")
    group.addoption("--parity-json", metavar="PATH", help="write every comparison of the fixture `parity` to PATH")


def pytest_configure(config: pytest.Config) -> None:
    """Collect comparisons where a file was asked for."""
    path = config.getoption("--parity-json")
    if path is not None:
        config.pluginmanager.register(_Collector(Path(path), hasattr(config, "workerinput")), "parity-json")


class _Collector:
    """Carries comparisons on the reports of their tests, which pytest-xdist brings home from its workers."""

    def __init__(self, path: Path, worker: bool):
        self._path, self._worker = path.absolute(), worker
        self._found: list[dict[str, Any]] = []
        if not worker:
            # An older file must not pass for this session's if the session dies.
            self._write()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        made = item.stash.get(_COMPARISONS, [])
        report.__dict__["parity_comparisons"] = list(made)
        made.clear()
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._found += getattr(report, "parity_comparisons", [])

    def pytest_sessionfinish(self) -> None:
        if not self._worker:
            self._write(complete=True)

    def _write(self, complete: bool = False) -> None:
        comparisons = sorted(self._found, key=lambda found: str(found["test"]))
        document = {"schema": SCHEMA, "complete": complete, "comparisons": comparisons}
        try:
            self._path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise pytest.UsageError(f"--parity-json {self._path}: {error.strerror}; choose a writable path") from error
