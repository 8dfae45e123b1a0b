"""Inner pytest sessions."""

import pytest
from plugin_cases import PRELUDE


@pytest.fixture
def inner(pytester, monkeypatch):
    """Run an inner session with this plugin alone, whether or not it is installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(body, *args):
        pytester.makepyfile(PRELUDE + body)
        return pytester.runpytest_inprocess("-p", "parity.pytest_plugin", "-W", "error", *args)

    return run
