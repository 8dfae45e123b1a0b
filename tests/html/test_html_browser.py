"""The page in a real browser: it opens without a complaint, and shows the terminal's numbers."""

import re
from dataclasses import replace
from importlib.resources import files

import pytest
from html_cases import HOSTILE, banded, hostile, many, mixed
from playwright.sync_api import expect
from report_cases import MODES, in_terminal, one_run, run_of, tap

from parity.history import brief_of, compare_runs, comparison_entry, history_entry
from parity.history.sheets import change_line, change_sheets
from parity.html import payload
from parity.judge import Verdict
from parity.report import as_report, to_document, to_markdown
from parity.report.lines import divergence_lines, verdict_line
from parity.report.numbers import error_text, usage_text
from parity.report.sheets import case_sheet, class_sheets, drift_sheets

VIEWS = {"overview": "Verdict", "drift": "Drift curve", "map": "Map", "table": "Taps"}


def cells(page, table: str = "details.sheet table") -> list[list[list[str]]]:
    return page.eval_on_selector_all(
        table,
        "tables => tables.map(t => [...t.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent)))",
    )


def test_page_terminal_and_markdown_show_the_same_numbers(opened) -> None:
    report = mixed()
    page = opened(report)
    sheets = [case_sheet(report), *class_sheets(report), *drift_sheets(report)]
    assert cells(page) == [[list(row) for row in sheet.rows] for sheet in sheets]
    assert page.inner_text("#verdict") == verdict_line(report)
    where, evidence = divergence_lines(report)[:2]
    assert page.inner_text("#first") == where
    assert page.inner_text(".divergence .evidence") == evidence
    terminal, markdown = in_terminal(report, width=400), to_markdown(report)
    for row in (row for sheet in sheets for row in sheet.rows):
        assert re.search(r"\s+".join(map(re.escape, row)), terminal)
        assert all(cell in markdown or not re.search(r"\d", cell) or ":" in cell or "_" in cell for cell in row)
    assert verdict_line(report) in terminal


def test_every_reading_in_the_table_has_the_terminals_digits(opened) -> None:
    report = mixed()
    page = opened(report, "#table")
    head = page.eval_on_selector_all("table.taps th", "heads => heads.map(h => h.dataset.key)")
    rows = page.eval_on_selector_all(
        "table.taps tbody tr:not(.gap)", "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
    )
    found = [dict(zip(head, row, strict=True)) for row in rows]
    expected = [(t.place.tap, t.place.mode, error_text(t.relative_l2), usage_text(t.usage)) for t in report.taps]
    assert [(row["tap"], row["mode"], row["error"], row["used"]) for row in found] == expected


def test_numbers_round_as_pythons_do(opened) -> None:
    values = [0.125, 0.375, 1.125, 1.25e-8, 9.95, 9.96e-5, 0.0, 1e300, 5e-324, 2.5, 3.05, 0.015, 1.005, 9.5, 99.95]
    shown = errors_and_shares(opened(mixed()), values)
    assert shown == [[error_text(value), usage_text(value)] for value in values]


def test_labels_of_axes_are_not_taken_for_tex(opened) -> None:
    names = ["$$x$$", "\\[x\\]", "\\(x\\)", "plain.name"]
    shown = own(opened(mixed()), "names.map(label)", "names", names)
    assert shown == ["$\u2060$x$\u2060$", "\\\u2060[x\\]", "\\\u2060(x\\)", "plain.name"]


def errors_and_shares(page, values: list[float]) -> list[list[str]]:
    return own(page, "values.map(v => [errorText(v), usageText(v)])", "values", values)


def own(page, expression: str, name: str, value: object) -> object:
    """Run the page's own functions, which its scope hides, by giving the page their sources a second time."""
    folder = files("parity.html") / "page"
    source = "\n".join((folder / f"{part}.js").read_text(encoding="utf-8") for part in ("numbers", "dom", "charts"))
    return page.evaluate(f"{name} => {{ {source}; return {expression}; }}", value)


@pytest.mark.parametrize("width", [1280, 390])
def test_views_open_without_a_complaint_at_desktop_and_phone_width(opened, width) -> None:
    page = opened(mixed(), viewport={"width": width, "height": 800})
    for view, heading in VIEWS.items():
        page.evaluate("view => { location.hash = view; }", view)
        expect(page.locator("h1")).to_have_text(heading)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_drills_from_the_verdict_to_the_tap_and_from_stage_to_block_to_tap(opened) -> None:
    page = opened(mixed())
    page.click("#first")
    assert page.inner_text("#tap") == "net.block01.video.out"
    page.click("nav.tabs a[data-view=map]")
    assert page.eval_on_selector_all(".stage h2", "all => all.map(h => h.textContent)") == ["net", "end"]
    page.click(".stage a.cell:has-text('block00')")
    page.click("#block a.cell:has-text('video.norm')")
    assert page.inner_text("#tap") == "net.block00.video.norm"
    assert len(page.query_selector_all("#modes tbody tr")) == 3


def test_the_map_tells_where_an_error_is_born_from_where_it_is_handed_down(opened) -> None:
    page = opened(mixed(), "#map?group=net.block01")
    kinds = page.eval_on_selector_all(
        "#block a.cell", "all => all.map(a => [a.querySelector('b').textContent, a.className])"
    )
    assert {name: "handed" if "handed" in kind else "over" for name, kind in kinds} == {
        "video.out": "over",
        "audio.out": "handed",
    }


def test_a_taps_page_has_its_figures_and_says_what_is_not_kept(opened) -> None:
    page = opened(mixed(), "#tap?s=drift&c=case&d=bfloat16&p=pass&t=net.block01.video.out")
    page.wait_for_selector(".chart canvas", state="attached")
    assert cells(page, "table.sheet >> nth=1")[0][0][0] == "[1, 2, 3]"
    modes = {row[0]: row[2] for row in cells(page, "#modes")[0]}
    assert modes["chained"] == error_text(tap("over").measurement.comparison.relative_l2)


RENDERERS = """() => {
  const list = (value) => (value?.length && typeof value !== "string" ? [...value] : value);
  const entries = (data) => (data instanceof Map ? [...data] : Object.entries(data));
  const plots = Bokeh.documents.flatMap((one) => one.roots());
  return plots.flatMap((plot) => {
    const items = [...plot.center, ...plot.above].flatMap((part) => part.items || []);
    return plot.renderers.map((drawn) => ({
      glyph: drawn.glyph.type, visible: drawn.visible,
      data: Object.fromEntries(entries(drawn.data_source.data).map(([name, column]) => [name, [...column].map(list)])),
      legend: items.find((item) => item.renderers.includes(drawn))?.label.value,
    }));
  });
}"""


def renderers(page) -> list[dict[str, object]]:
    """What the charts of a page are drawn of: kind of glyph, name in the legend, whether it shows, its numbers."""
    return page.evaluate(RENDERERS)


def test_bands_of_noise_are_shaded_by_mode_and_told_under_the_pointer(opened) -> None:
    page = opened(banded(), "#drift")
    page.wait_for_selector(".chart canvas", state="attached")
    shades = {drawn["legend"]: drawn for drawn in renderers(page) if drawn["glyph"] == "Patches"}
    assert {name: drawn["visible"] for name, drawn in shades.items()} == {
        "noise, chained": True, "noise, forced": False, "noise, born": False,
    }  # fmt: skip
    for drawn in shades.values():
        # One outline around the first tap: from the median of the ensemble up to its bound.
        assert drawn["data"]["xs"] == [[-0.5, 0.5, 0.5, -0.5]]
        assert drawn["data"]["ys"] == [[0.5, 0.5, 0.25, 0.25]]
    (line,) = [drawn for drawn in renderers(page) if "noise_chained_told" in drawn["data"]][:1]
    assert line["data"]["noise_chained_told"] == [
        "up to 5.0e-01, median 2.5e-01 (64 runs)", "up to 0, median 0 (64 runs)", "-",
    ]  # fmt: skip
    assert "1 of these 3 taps have none: not calibrated" in page.inner_text("main")


def test_where_nothing_is_calibrated_the_drift_curve_says_so(opened) -> None:
    page = opened(mixed(), "#drift")
    page.wait_for_selector(".chart canvas", state="attached")
    assert "No noise band: this case has no classes." in page.inner_text("main")
    assert not [drawn for drawn in renderers(page) if drawn["glyph"] == "Patches"]


def test_a_taps_page_has_its_band_its_map_its_heads_and_the_references_histograms(opened) -> None:
    page = opened(banded(), "#tap?s=drift&c=case&d=bfloat16&p=pass&t=net.pass.wide&m=isolated")
    page.wait_for_selector("#heads .chart canvas", state="attached")
    report = banded()
    (one,) = [t for t in report.taps if (t.place.tap, t.place.mode) == ("net.pass.wide", "isolated")]
    text = page.inner_text("main")
    assert "64 runs, against the truth" in text
    assert "Down: batch (axis 0) × tokens (axis 1). Across: channels (axis 2)." in text
    drawn = renderers(page)
    cells = next(d["data"] for d in drawn if d["glyph"] == "Quad" and "rms" in d["data"])
    squares = [rms**2 for rms in cells["rms"]]
    figures = one.measured.figures
    assert sum(squares) ** 0.5 == pytest.approx(figures.relative_l2 * figures.norm_reference, rel=0.1)
    assert (cells["row"], cells["column"]) == (["5"], ["3"])
    assert next(d["data"]["share"] for d in drawn if d["glyph"] == "VBar") == pytest.approx([0, 100])
    assert {"candidate", "reference's own", "noise: 90% within", "noise: all within"} <= {d["legend"] for d in drawn}


def test_a_tap_that_is_none_of_the_worst_says_so(opened) -> None:
    report = as_report(run_of(*(tap("over", f"t{at}") for at in range(201))))
    page = opened(report, "#tap?s=drift&c=case&d=bfloat16&p=pass&t=t200")
    assert "200 worst readings" in page.inner_text("#error-map")
    page.evaluate("location.hash = '#tap?s=drift&c=case&d=bfloat16&p=pass&t=t199'")
    page.wait_for_selector("#error-map .chart canvas", state="attached")


def test_filters_sorts_and_keeps_both_in_the_link(opened) -> None:
    page = opened(mixed(), "#table")
    page.keyboard.press("/")
    page.keyboard.type("block01 audio")
    expect(page.locator("#matches")).to_have_text("2 of 14 readings")
    page.click("th[data-key=error] button")
    errors = [row[6] for row in cells(page, "table.taps")[0] if len(row) > 1]
    assert [float(error) for error in errors] == sorted(map(float, errors), reverse=True)
    link = page.evaluate("location.hash")
    again = opened(mixed(), link)
    assert again.inner_text("#matches") == "2 of 14 readings"
    assert again.get_attribute("th[data-key=error]", "aria-sort") == "descending"


def test_keys_lead_through_views_and_taps(opened) -> None:
    page = opened(mixed())
    page.keyboard.press("3")
    assert page.get_attribute("#view", "data-view") == "map"
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    page.goto(page.url.split("#")[0] + "#tap?s=drift&c=case&d=bfloat16&p=pass&t=net.block00.video.in")
    page.wait_for_selector("#tap")
    page.keyboard.press("j")
    expect(page.locator("#tap")).to_have_text("net.block00.video.norm")
    page.keyboard.press("k")
    expect(page.locator("#tap")).to_have_text("net.block00.video.in")


def test_dark_and_light_follow_the_system_until_told_otherwise(opened) -> None:
    page = opened(mixed(), color_scheme="dark")
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert page.evaluate(scheme) == "dark"
    page.keyboard.press("t")
    assert page.evaluate(scheme) == "light"


def test_hostile_names_stay_text(opened) -> None:
    page = opened(hostile())
    for view, heading in VIEWS.items():
        page.evaluate("view => { location.hash = view; }", view)
        expect(page.locator("h1")).to_have_text(heading)
        expect(page.locator("main")).to_contain_text(HOSTILE[1])
        assert page.evaluate("window.pwned") is None
        assert page.query_selector_all("main img, main svg, main script, main b b") == []


def test_hostile_names_stay_text_on_their_own_pages_and_under_the_pointer(opened) -> None:
    page = opened(hostile(), "#table")
    for name in (HOSTILE[1], HOSTILE[4], HOSTILE[5]):
        page.evaluate("n => { location.hash = '#tap?' + new URLSearchParams({s: n, c: n, d: n, p: n, t: n}); }", name)
        expect(page.locator("#tap")).to_be_visible()
        page.evaluate(
            "n => { location.hash = '#drift?' + new URLSearchParams({pass: JSON.stringify([n, n, n, n])}); }", name
        )
        page.wait_for_selector(".chart canvas", state="attached")
        box = page.locator(".chart").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator(".bk-Tooltip").first).to_contain_text(name)
        assert page.evaluate("window.pwned") is None


def test_five_thousand_taps_are_shown(opened) -> None:
    page = opened(many(5000, MODES[:1]), "#drift")
    page.wait_for_selector(".chart canvas", state="attached")
    page.keyboard.press("4")
    assert page.inner_text("#matches") == "5,000 of 5,000 readings"
    page.evaluate("document.getElementById('sight').scrollTop = 1e9")
    expect(page.locator("table.taps")).to_contain_text("block49.video.tap99")
    assert len(page.query_selector_all("table.taps tbody tr")) < 100


def test_a_pages_text_is_what_shows_without_scripts(browser, tmp_path) -> None:
    from html_cases import page_of

    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_of(mixed(), tmp_path / "page.html").as_uri())
    assert verdict_line(mixed()) in page.inner_text("main")
    context.close()


def test_a_comparison_shows_the_terminals_rows_and_leads_to_the_tap(opened) -> None:
    before, after = brief_of(without_over(mixed())), brief_of(mixed())
    compared = compare_runs(before, after)
    page = opened(mixed(), "#compare", {"comparison": comparison_entry(compared, ("then", "now"))})
    assert page.inner_text("#change") == change_line(compared)
    assert cells(page) == [[list(row) for row in sheet.rows] for sheet, _ in change_sheets(compared)]
    page.wait_for_selector(".chart canvas", state="attached")
    page.click("details.sheet td a >> nth=0")
    assert page.inner_text("#tap") == "net.block01.video.out"


def without_over(report):
    """Give the report as if nothing had been over budget: the same taps, identical."""
    cases = []
    for case in report.cases:
        forwards = [replace(f, taps=tuple(_identical(t) for t in f.taps)) for f in case.forwards]
        cases.append(replace(case, forwards=tuple(forwards)))
    return replace(report, cases=tuple(cases))


def _identical(one):
    return replace(one, verdict=Verdict.IDENTICAL, measured=None) if one.verdict is Verdict.OVER else one


def test_a_taps_page_shows_what_it_was_in_earlier_runs(opened) -> None:
    earlier = replace(brief_of(without_over(mixed())), when="2026-01-02T03:04:05Z")
    where = "#tap?s=drift&c=case&d=bfloat16&p=pass&t=net.block01.video.out"
    page = opened(mixed(), where, {"history": history_entry(mixed(), [earlier])})
    rows = {row[0]: row[1:] for table in cells(page, "table.sheet") for row in table}
    over = f"{error_text(tap('over').measurement.comparison.relative_l2)} over"
    assert rows["this run"] == [over] * 3
    assert rows["2026-01-02T03:04:05Z"] == ["0 identical"] * 3


def test_what_later_schemas_add_is_shown_classes_with_evidence_and_what_is_blamed(opened, monkeypatch) -> None:
    def with_more(report):
        document = to_document(report)
        kinds = ["identical", "within noise", "drift", "bug"]
        document["layout"] |= {"classes": kinds, "class_rows": ["tap", "class", "evidence", "behind"]}
        document["outcome"]["classes"] = {"bug": 1, "drift": 0}
        forward = document["cases"][0]["forwards"][0]
        forward["classes"] = [["net.block01.video.out", 3, "4 times its band", "net.block00.video.in"]]
        forward["blame"] = {"tap": "net.block01.video.out", "hint": "a factor of two", "places": {"port": "a.py:7"}}
        return document

    monkeypatch.setattr(payload, "to_document", with_more)
    page = opened(mixed(), "#tap?s=drift&c=case&d=bfloat16&p=pass&t=net.block01.video.out")
    shown = page.inner_text("main")
    assert all(text in shown for text in ("Class: bug", "4 times its band", "a factor of two", "a.py:7"))
    page.evaluate("location.hash = '#table?class=bug'")
    expect(page.locator("#matches")).to_have_text("3 of 14 readings")
    page.evaluate("location.hash = '#overview'")
    expect(page.locator("main")).to_contain_text("Classes of taps")


@pytest.mark.parametrize("run", [one_run(), run_of(tap("identical"), incomplete=["t: missing"])])
def test_runs_with_nothing_to_draw_open_too(opened, run) -> None:
    page = opened(as_report(run))
    for view, heading in VIEWS.items():
        page.evaluate("view => { location.hash = view; }", view)
        expect(page.locator("h1")).to_have_text(heading)
