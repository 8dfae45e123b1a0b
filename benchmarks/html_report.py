"""How large a run's page is, how long it takes to write, and how soon a browser shows each of its views.

`python -m benchmarks.html_report RUN.json... [--rounds N] [--json]`, with Debian's chromium. Beside the given runs it
takes one of 5,000 taps in three modes, each with an error. Each view is opened in a fresh page of a warm browser: from
the request until the view is laid out and its charts are drawn.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks.browser import FLAGS, chromium
from benchmarks.machine import describe
from parity.html import write_html
from parity.judge.verdict import TapPlace
from parity.report import Report, ReportedCase, ReportedForward, ReportedTap, read_report
from parity.run.forward import Mode

VIEWS = ("overview", "drift", "map", "table")
# Charts draw in frames of their own, so that what is asked for is that a canvas stands there and two frames passed.
_SHOWN = """async (charted) => {
  while (!document.documentElement.dataset.ready || (charted && !document.querySelector('.chart')?.firstElementChild))
    await new Promise((go) => setTimeout(go, 2));
  await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
}"""


def of_taps(count: int, pattern: ReportedTap) -> Report:
    """Give a run of so many taps in each mode, each with the figures of one that was measured."""
    taps = [
        replace(pattern, place=TapPlace("many", "pass", f"net.block{at // 100:02d}.video.tap{at % 100:02d}",
                                        f"net.block{at // 100:02d}", mode.value))
        for mode in Mode for at in range(count)
    ]  # fmt: skip
    forward = ReportedForward("pass", tuple(taps), (), {})
    return Report((ReportedCase("drift", "many", "size", "bfloat16", (forward,)),), {})


def measure(report: Report, browser: Browser, rounds: int) -> dict[str, Any]:
    """Give megabytes, seconds to write, and for each view the median and the largest of the seconds to show it."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        start = time.perf_counter()
        write_html(report, page)
        written = time.perf_counter() - start
        shown = {
            view: [_show(browser, f"{page.as_uri()}#{view}", view == "drift") for _ in range(rounds)] for view in VIEWS
        }
        return {
            "readings": len(report.taps),
            "megabytes": page.stat().st_size / 1e6,
            "write_seconds": written,
            "view_seconds": {view: [statistics.median(times), max(times)] for view, times in shown.items()},
        }


def _show(browser: Browser, address: str, charted: bool) -> float:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        start = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.evaluate(_SHOWN, charted)
        return time.perf_counter() - start
    finally:
        page.close()


def _print(found: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table("run", "readings", "MB", "write s", *(f"{view} s (largest)" for view in VIEWS))
    for name, one in found.items():
        times = [f"{median:.2f} ({largest:.2f})" for median, largest in one["view_seconds"].values()]
        table.add_row(name, f"{one['readings']:,}", f"{one['megabytes']:.2f}", f"{one['write_seconds']:.1f}", *times)
    console = Console()
    for key, value in describe().items():
        console.print(f"{key}: {value}", highlight=False)
    console.print(table)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN.json", help="runs written with --output")
    parser.add_argument("--rounds", type=int, default=5, help="times that each view is opened (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    reports = {str(path): read_report(path) for path in arguments.runs}
    pattern = next((tap for report in reports.values() for tap in report.taps if tap.measured), None)
    if pattern is not None:
        reports["5,000 taps in three modes"] = of_taps(5000, pattern)
    installed = chromium()
    if installed is None:
        sys.stderr.write("benchmarks.html_report: no chromium; apt-get install chromium\n")
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        found = {name: measure(report, browser, arguments.rounds) for name, report in reports.items()}
        browser.close()
    if arguments.json:
        sys.stdout.write(json.dumps({"machine": describe(), "runs": found}, indent=1) + "\n")
    else:
        _print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
