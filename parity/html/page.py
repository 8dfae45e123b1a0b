"""The page itself: one file that asks for nothing, with its policy, styles, scripts and data."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from parity.html import library
from parity.html.payload import payload
from parity.report import Report
from parity.report.lines import verdict_line
from parity.store.whole_file import publish

# In the order in which they run: each uses only names of those before it, but for what it does once the page is there.
_SCRIPTS = ("numbers", "dom", "reader", "charts", "places", "overview", "drift", "map", "table", "tap", "runs", "app")
_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>ltx-parity</title>
<style>$style</style>
</head>
<body>
<header id="head"></header>
<main id="view" data-view=""><p>$verdict</p><noscript><p>The rest of this report needs JavaScript.</p></noscript></main>
<footer><details>
<summary class="muted">Licence of the plotting library in this file</summary>
<pre>$notice</pre>
</details></footer>
<script type="text/plain" id="run">$data</script>
$scripts
</body>
</html>
""")


def to_html(report: Report, extras: Mapping[str, Any] | None = None, document: Mapping[str, Any] | None = None) -> str:
    """Give a report as one HTML page that needs nothing else and asks for nothing.

    `extras`: what `parity.history` tells of other runs. `document`: what `to_document` gives of the report, where it
    was made already. The same report gives the same page. BadInputError where a text has no exact UTF-8 form, the data
    are too large for a page, or the plotting library is not installed.
    """
    scripts = [*library.scripts(), _own_script()]
    return _PAGE.substitute(
        policy=_policy(scripts),
        style=_text("page.css"),
        verdict=escape(verdict_line(report)),
        notice=escape(library.notice()),
        # Base64 has no letter that markup could begin with.
        data=base64.b64encode(payload(report, extras, document=document)).decode("ascii"),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def write_html(
    report: Report, path: Path, extras: Mapping[str, Any] | None = None, document: Mapping[str, Any] | None = None
) -> None:
    """Write a report's page; the file appears whole, or what was there stays. The errors of `to_html`, and its own."""
    publish(path, to_html(report, extras, document).encode("utf-8"))


def _policy(scripts: list[str]) -> str:
    # Only these very scripts run, nothing is fetched or sent. Bokeh styles its charts in elements of its own, and
    # draws the signs of its tools from data: addresses.
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


@cache
def _own_script() -> str:
    parts = "\n".join(_text(f"{name}.js") for name in _SCRIPTS)
    # One scope of its own: none of these names is seen by the library, nor replaces one of its.
    return f'(() => {{\n"use strict";\n{parts}}})();'


@cache
def _text(name: str) -> str:
    return (files("parity.html") / "page" / name).read_text(encoding="utf-8")
