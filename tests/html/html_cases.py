"""Reports that the page is tested with."""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from report_cases import MODES, one_case, one_pass, one_run, tap

from parity.calibrate.band import Bands
from parity.calibrate.bands_file import PLACES, BandsFile, Row, levels
from parity.calibrate.reading import JUDGED
from parity.html import write_html
from parity.report import Report, as_report

Opened = Callable[..., object]
HOSTILE = (
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "javascript:window.pwned=1",
    "$$\\href{x}{y}$$",
    "@tap{safe} <b>bold</b>",
    "${window.pwned=1}",
    "__proto__",
    "constructor",
    "<!--",
    "line\nbreak \u202edrawkcab",
    "a&b#c?d=%41",
)


def page_of(report: Report, path: Path, extras=None) -> Path:
    write_html(report, path, extras)
    return path


def mixed() -> Report:
    """Two stages in three modes; one tap over budget that hands its error down, and one that was not compared."""
    first = [
        tap("within", f"net.block00.video.{name}", mode, "net.block00") for mode in MODES for name in ("in", "norm")
    ]
    over = [tap("over", "net.block01.video.out", mode, "net.block01") for mode in MODES]
    down = [tap("over", "net.block01.audio.out", "chained", "net.block01")]
    down += [tap("within", "net.block01.audio.out", "isolated", "net.block01")]
    rest = [tap("identical", "end.head", "chained", "end.head"), tap("activation", "end.out", "chained", "end.head")]
    case = one_case(one_pass(*first, *over, *down, *rest, incomplete=["net.block02: missing"]), suite="drift")
    exact = one_case(
        one_pass(tap("identical", "net.block00.video.in", group="net.block00")), suite="exact", dtype="float32"
    )
    return as_report(one_run(case, exact, candidate="port 1", reference="official 2"))


def banded() -> Report:
    """One tap with a band in three modes, one whose band is 0, and one that is not calibrated."""
    taps = [tap("over", f"net.pass.{name}", mode, "net.block00") for name in ("wide", "none", "open") for mode in MODES]
    cell = {most: tuple(tuple(most * level for level in levels(column)) for column in JUDGED) for most in (0.5, 0.0)}
    rows = [
        Row(pattern, "bfloat16", 64, (0.0,) * len(JUDGED), dict.fromkeys(PLACES, cell[most]))
        for pattern, most in (("net.*.wide", 0.5), ("net.*.none", 0.0))
    ]
    ratios = {"bfloat16": {(*place, column): 1.0 for place in PLACES for column in JUDGED}}
    bands = Bands((BandsFile("net", "", {}, {"case": {"bfloat16": 64}}, ratios, tuple(rows)),))
    return as_report(one_run(one_case(one_pass(*taps))), bands)


def hostile() -> Report:
    """Names that would be markup, script, TeX, templates or parts of JavaScript itself, wherever a name may stand."""
    taps = [
        tap(kind, name, mode, group, name, name)
        for kind, (name, group) in zip(
            ("over", "within", "activation") * 4, zip(HOSTILE, HOSTILE[::-1], strict=True), strict=True
        )
        for mode in ("chained", name)
    ]
    taps += [tap("within", f"{name} 2", "chained", name, name, name) for name in HOSTILE]
    cases = [
        one_case(one_pass_named(name, [t for t in taps if t.place.case == name]), suite=name, case=name, dtype=name)
        for name in HOSTILE
    ]
    return as_report(one_run(*cases, **{name: name for name in HOSTILE}))


def one_pass_named(name, taps):
    from dataclasses import replace

    return replace(one_pass(*taps, incomplete=[name]), name=name)


def many(count: int, modes=MODES) -> Report:
    """So many taps in one pass, each with an error in each mode."""
    taps = [
        tap("activation", f"net.block{at // 100:02d}.video.tap{at % 100:02d}", mode, f"net.block{at // 100:02d}")
        for mode in modes
        for at in range(count)
    ]
    return as_report(one_run(one_case(one_pass(*taps))))
