"""A real browser, where there is one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from html_cases import Opened, page_of
from playwright.sync_api import Browser, sync_playwright

from benchmarks.browser import FLAGS, chromium


def _chromium() -> str:
    found = chromium()
    if found is None:
        if os.environ.get("LTX_PARITY_BROWSER") == "required":
            raise pytest.UsageError("no chromium is installed, but LTX_PARITY_BROWSER=required")
        pytest.skip("needs a browser: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = _chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Open a report's page; whatever it asks for, and whatever it complains of, fails the test."""
    contexts = []

    def open_page(report, where="", extras=None, **context):
        file = page_of(report, tmp_path / "report.html", extras)
        contexts.append(
            browser.new_context(viewport=context.pop("viewport", {"width": 1280, "height": 800}), **context)
        )
        page = contexts[-1].new_page()
        page.complaints = []
        page.on("console", lambda said: said.type in ("error", "warning") and page.complaints.append(said.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "request", lambda request: request.url.startswith(("file:", "data:")) or page.complaints.append(request.url)
        )
        page.goto(file.as_uri() + where)
        page.wait_for_selector("html[data-ready]", timeout=20000)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.complaints == []
        context.close()
