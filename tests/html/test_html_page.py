"""The page as a file: what stands in it, and what cannot."""

import base64
import hashlib
import json
import re
import zlib

import pytest
from html_cases import HOSTILE, hostile, many, mixed
from hypothesis import given, settings
from report_cases import runs

from parity.cli import main
from parity.errors import BadInputError, ExitCode
from parity.html import library, to_html, write_html
from parity.html.columns import NOT_MEASURED, in_columns, without_detail
from parity.html.payload import payload
from parity.report import to_document

SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
DATA = re.compile(r'<script type="text/plain" id="run">([A-Za-z0-9+/=]*)</script>')


def told(page: str) -> dict[str, object]:
    (data,) = DATA.findall(page)
    return json.loads(zlib.decompress(base64.b64decode(data)))


def rows_again(value: dict[str, object]) -> list[list[object]]:
    """Undo `in_columns`."""
    layout, columns = value["layout"], value["columns"]
    reading, measured = columns["reading"], columns["measured"]
    rows, found = [], 0
    for at, verdict in enumerate(reading["verdict"]):
        row = [reading[name][at] for name in layout["identical"]]
        if verdict != NOT_MEASURED:
            rest = layout["measured"][len(layout["identical"]) :]
            row += [verdict if name == "verdict" else measured[name][found] for name in rest]
            found += 1
        rows.append(row)
    return rows


@settings(max_examples=40)
@given(runs())
def test_columns_hold_every_value_of_every_row(run) -> None:
    document = to_document(run)
    turned = in_columns(document)
    forwards = [forward for case in document["cases"] for forward in case["forwards"]]
    assert rows_again(turned) == [row for forward in forwards for row in forward["results"]]
    counts = [forward["count"] for case in turned["cases"] for forward in case["forwards"]]
    assert counts == [len(forward["results"]) for forward in forwards]


def test_columns_carry_what_a_later_schema_adds() -> None:
    document = to_document(mixed())
    document["layout"]["measured"].append("band")
    short = len(document["layout"]["identical"])
    for forward in (forward for case in document["cases"] for forward in case["forwards"]):
        forward["blame"] = {"tap": "x"}
        for row in forward["results"]:
            if len(row) != short:
                row.append(7)
    turned = in_columns(document)
    assert set(turned["columns"]["measured"]["band"]) == {7}
    assert turned["cases"][0]["forwards"][0]["blame"] == {"tap": "x"}


def test_a_page_that_would_be_too_large_keeps_details_where_most_of_a_budget_is_used() -> None:
    document = in_columns(to_document(mixed()))
    usage = document["columns"]["measured"]["usage"]
    thin = without_detail(document, 3)["columns"]["measured"]
    kept = {at for at, worst in enumerate(thin["worst"]) if worst is not None}
    assert len(kept) == 3
    assert min(usage[at] for at in kept) >= max(usage[at] for at in set(range(len(usage))) - kept)
    assert thin["relative_l2"] == document["columns"]["measured"]["relative_l2"]


def test_a_page_says_what_was_left_out_of_it() -> None:
    report = many(200)
    whole = len(payload(report))
    less = json.loads(zlib.decompress(payload(report, largest=whole - 1)))
    assert "only the 300 readings" in less["kept"]["left_out"]
    with pytest.raises(BadInputError, match="report on fewer cases"):
        payload(report, largest=100)


def test_the_same_report_gives_the_same_page() -> None:
    assert to_html(mixed()) == to_html(mixed())


def test_the_page_carries_the_documents_own_outcome_and_exact_errors() -> None:
    run = told(to_html(mixed()))["run"]
    document = to_document(mixed())
    assert run["outcome"] == document["outcome"]
    assert rows_again(run) == [r for c in document["cases"] for f in c["forwards"] for r in f["results"]]


def test_no_name_of_a_dump_stands_in_the_page_as_markup() -> None:
    page = to_html(hostile())
    harmless = to_html(mixed())
    for name in HOSTILE:
        assert page.count(name) == harmless.count(name), name
    assert len(DATA.findall(page)) == 1
    assert page.count("<script") == harmless.count("<script")


def test_the_policy_allows_the_pages_own_scripts_and_nothing_else() -> None:
    page = to_html(mixed())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    scripts = SCRIPT.findall(page)
    digests = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]
    assert rules.pop("script-src") == " ".join(digests)
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_page_carries_the_librarys_licence() -> None:
    page = to_html(mixed())
    assert "Redistributions in binary form must reproduce the above copyright" in page
    assert re.search(r"Charts by Bokeh \d+\.\d+", page)


def test_no_script_can_end_the_element_that_holds_it() -> None:
    scripts = SCRIPT.findall(to_html(mixed()))
    assert len(scripts) == 3
    assert not any(word in script.lower() for script in scripts for word in ("</script", "<!--"))


def test_own_scripts_make_no_markup_of_text() -> None:
    own = SCRIPT.findall(to_html(mixed()))[-1]
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc", own)


def test_a_missing_library_is_one_line_and_said_first(monkeypatch, tmp_path, capsys) -> None:
    from importlib import metadata

    def gone(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(library.metadata, "distribution", gone)
    library.scripts.cache_clear()
    with pytest.raises(BadInputError, match="bokeh is not installed"):
        write_html(mixed(), tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
    for verb in (["run"], ["compare", "a.h5", "b.h5"], ["gate"]):
        assert main([*verb, "--output", str(tmp_path), "--quiet"]) == ExitCode.BAD_INPUT
        # Said before anything is run or read.
        assert "bokeh is not installed" in capsys.readouterr().err
