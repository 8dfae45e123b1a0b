import html
import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import GOOD, in_terminal, names, one_case, one_pass, one_run, run_of, runs, tap

from parity.blame import Blame
from parity.errors import ExitCode
from parity.report import as_report, from_document, to_document, to_markdown
from parity.report.markdown import escaped
from parity.report.numbers import error_text, plain, usage_text

HEADINGS = {
    ExitCode.WITHIN_BUDGET: "WITHIN BUDGET:",
    ExitCode.OVER_BUDGET: "OVER BUDGET:",
    ExitCode.INCOMPLETE: "INCOMPLETE:",
}
HOSTILE = [
    "[red]x[/red]",
    "[/]",
    "a|b",
    "`c`",
    "<img src=x>",
    "d\ne",
    "\x1b[31mf",
    "\u202eg",
    "&amp;",
    "@all",
    "[x](y)",
]
DRIFT = one_run(
    one_case(
        one_pass(
            *(
                tap(kind, f"{kind}.{mode}", mode, group)
                for kind, mode, group in itertools.product(
                    ("within", "same bits", "over"), ("chained", "teacher-forced", "isolated"), ("block00", "block01")
                )
                if (kind == "over") == (group == "block01")
            ),
            gains={"block01": 1.234},
        )
    ),
    one_case(one_pass(tap("identical", case="exact")), suite="exact", case="exact"),
    port="1.0",
)


def words(text):
    return " ".join(text.split())


def cells(markdown):
    """Every table of a Markdown text as lists of cells, with HTML undone."""
    rows = [line for line in markdown.splitlines() if line.startswith("| ") and "---" not in line]
    return [[html.unescape(re.sub("</?code>", "", cell)).strip() for cell in row[1:-1].split("|")] for row in rows]


@pytest.mark.parametrize("over", [0, 2])
@pytest.mark.parametrize("incomplete", [0, 1, 7])
@pytest.mark.parametrize("good", [0, 3])
def test_the_verdict_line_says_what_the_exit_code_says(over, incomplete, good):
    taps = [tap("over", f"o{at}") for at in range(over)] + [tap(kind, kind) for kind in GOOD[:good]]
    run = run_of(*taps, incomplete=[f"reason {at}" for at in range(incomplete)])
    first = in_terminal(run, 200).splitlines()[0]
    assert first.startswith(HEADINGS[run.exit_code])
    assert to_markdown(run).startswith(f"## {HEADINGS[run.exit_code]}")
    assert f"{over} over budget" in first
    assert f"{len(run.incomplete)} not compared" in first
    elements = sum(found.measurement.comparison.elements for found in run.taps)
    assert re.search(rf"\b{over + good} taps, {elements} elements compared", first)


def test_the_first_reasons_are_shown_and_the_others_counted():
    run = run_of(tap("identical"), incomplete=[f"reason {at}" for at in range(12)])
    for text in (in_terminal(run), to_markdown(run)):
        assert [at for at in range(12) if re.search(rf"reason {at}\b", text)] == [0, 1, 2, 3, 4]
        assert "and 7 more" in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("details", [False, True])
def test_no_line_is_wider_than_the_terminal(width, details):
    assert max(map(len, in_terminal(DRIFT, width, details).splitlines())) <= width


@pytest.mark.parametrize("width", [20, 40, 60])
def test_no_digit_is_cut_off_however_narrow_the_terminal(width):
    shown, whole = (sum(letter.isdigit() for letter in in_terminal(DRIFT, at)) for at in (width, 200))
    assert shown == whole


def test_names_are_broken_before_numbers_are():
    figure = error_text(as_report(run_of(tap("over"))).taps[0].relative_l2)
    text = in_terminal(run_of(tap("over", group="g" * 90)), 66)
    assert re.search(rf"^g+ +{re.escape(figure)} +{re.escape(figure)} ", text, re.MULTILINE)


def test_markdown_and_terminal_show_the_same_numbers():
    terminal, markdown = in_terminal(DRIFT, 200), cells(to_markdown(DRIFT))
    lines = [words(line) for line in terminal.splitlines()]
    assert len(markdown) > 8
    for row in markdown:
        assert words(" ".join(row)) in lines


def test_a_group_row_holds_the_errors_of_its_taps():
    row = next(row for row in cells(to_markdown(DRIFT)) if row[0] == "block01")
    over = error_text(as_report(run_of(tap("over"))).taps[0].relative_l2)
    assert row[1:6] == [over, over, over, over, "-"]
    assert row[6] == "1.23"
    assert row[-1] == "OVER"
    assert next(row for row in cells(to_markdown(DRIFT)) if row[0] == "block00")[-1] == "within"


def test_a_case_of_identical_taps_takes_one_line():
    exact = [line for line in in_terminal(DRIFT).splitlines() if "exact" in line]
    assert [words(line) for line in exact] == ["exact/exact bfloat16 1 24 identical"]


def test_details_add_every_mode_of_every_case():
    assert len(in_terminal(DRIFT, details=True)) > len(in_terminal(DRIFT)) + 300
    assert re.search(r"block00 +teacher-forced +2 ", in_terminal(DRIFT, details=True))


def test_a_report_read_back_looks_like_the_run():
    back = from_document(to_document(DRIFT))
    assert in_terminal(back, details=True) == in_terminal(DRIFT, details=True)
    assert to_markdown(back) == to_markdown(DRIFT)


@settings(max_examples=40, deadline=None)
@given(runs())
def test_every_run_can_be_shown(run):
    assert in_terminal(run, 80, True).startswith(HEADINGS[run.exit_code])
    assert to_markdown(run).count("### Cases") >= 1


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_and_never_obeyed(name):
    case = one_case(
        one_pass(tap("over", name, group=name), tap("over", name, "isolated", name), incomplete=[name]),
        suite=name,
        dtype=name,
    )
    run = one_run(case, **{name: name})
    text = in_terminal(run, 400)
    assert text.count(plain(name)) >= 8
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    markdown = to_markdown(run)
    assert html.unescape(markdown).count(plain(name)) >= 8
    assert not {"<img", "[x](y)", "`", "\x1b", "\u202e", "@"} & {part for part in HOSTILE_PARTS if part in markdown}
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} <= {6, 10}


HOSTILE_PARTS = ("<img", "[x](y)", "`", "\x1b", "\u202e", "@")


@given(names)
def test_escaping_can_be_undone_and_leaves_nothing_special(text):
    shown = escaped(text)
    assert html.unescape(shown) == html.unescape(shown.replace("&#38;", "&amp;")) == text
    assert not set("<>|`*[]\\~#@$") & set(re.sub(r"&#\d+;", "", shown))


@given(st.text())
def test_plain_text_is_one_printable_line(text):
    assert plain(text).isprintable()
    if text.isprintable():
        assert plain(text) == text


def test_numbers_are_short_and_never_flatter():
    assert [error_text(value) for value in (0.0, 0.00312, 1.0, float("inf"), float("nan"), None)] == [
        "0", "3.1e-03", "1.0e+00", "inf", "nan", "-"
    ]  # fmt: skip
    assert [usage_text(value) for value in (0.0, 0.424, 1.0, 1.0001, 50.0, float("inf"))] == [
        "0%", "42%", "100%", "101%", ">999%", "inf"
    ]  # fmt: skip


def test_the_blame_follows_the_evidence():
    blame = Blame("tap", "gate", "all of 4 elements differ", "equals the reference times `0.5`", "seen so")
    run = one_run(one_case(one_pass(tap("over"), blame=blame)))
    told = "blame: gate: all of 4 elements differ; the candidate equals the reference times `0.5` (seen so)"
    assert f"  {told}" in in_terminal(run, width=300)
    assert f"<br>{told.replace('`', '&#96;')}" in to_markdown(run)
    elsewhere = one_run(one_case(one_pass(tap("over"), tap("over", "first"), blame=replace(blame, tap="first"))))
    assert "blame: at first: gate:" in in_terminal(elsewhere, width=300)
    assert "blame" not in in_terminal(one_run(one_case(one_pass(tap("over")))), width=300)
