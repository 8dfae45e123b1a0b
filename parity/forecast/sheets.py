"""A forecast as tables."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from parity.chain import Link
from parity.forecast.allocate import Allowance
from parity.forecast.check import Checked
from parity.forecast.record import QUANTILES, Forecast
from parity.report.numbers import NOTHING, error_text, gain_text, plain
from parity.report.sheets import Column, Sheet


def outcome_sheet(forecast: Forecast, checked: Sequence[Checked] = ()) -> Sheet:
    """One row for each outcome: the predicted distribution, and what the assembled run gave."""
    measured = {one.outcome: one for one in checked}
    columns = [
        Column("outcome", False),
        *(Column(f"{level:.0%}") for level in QUANTILES),
        Column("added"),
        Column("floor"),
    ]
    columns += [Column("measured"), Column("of median"), Column("within")] if checked else []
    rows = []
    for key, found in forecast.outcomes.items():
        cells = [plain(key), *(error_text(found.quantile(level)) for level in QUANTILES)]
        cells += [gain_text(forecast.additivity[key]), error_text(forecast.floors[key])]
        if one := measured.get(key):
            cells += [error_text(one.middle), f"{min(one.ratios):.2f}-{max(one.ratios):.2f}"]
            cells += [f"{one.within}/{len(one.measured)}"]
        rows.append(cells)
    note = (
        f"Relative L2 of the drift from {forecast.truth}: quantiles, from {len(forecast.seeds)} runs of it and each "
        f"link of {forecast.numerics} by itself. added: root of the sum of the components' squares over the median; "
        "far from 1, errors are too large to add up. floor: what its own rounding ends in."
    )
    if checked:
        note += (
            " measured: the assembled run's, the middle one of other seeds. of median: least and most of them over the "
            f"forecast's median. within: seeds within {checked[0].factor:g}x of it."
        )
    return Sheet(f"Drift of {forecast.numerics}", columns, rows, note)


def component_sheet(forecast: Forecast) -> Sheet:
    """One row for each component: its local error, and how alike it errs from use to use."""
    columns = (
        Column("component", False),
        Column("uses"),
        Column("local"),
        Column("across steps"),
        Column("across passes"),
    )
    rows = [
        (
            plain(one.component),
            str(one.uses),
            error_text(one.local),
            _correlation(one.across_links),
            _correlation(one.across_tensors),
        )
        for one in forecast.components
    ]
    note = "local: relative L2 of the component by itself. across: mean correlation of its errors in different uses."
    return Sheet("Components", columns, rows, note)


def effect_sheet(forecast: Forecast) -> Sheet:
    """One row for each component: what it alone makes of every outcome."""
    columns = (Column("component", False), *(Column(plain(key)) for key in forecast.outcomes))
    rows = [
        (
            plain(one.component),
            *(f"{error_text(one.contribution(key))} x{gain_text(one.amplification(key))}" for key in forecast.outcomes),
        )
        for one in forecast.components
    ]
    note = "The error that the component alone causes, and that as a multiple of its local error."
    return Sheet("What each component alone ends in", columns, rows, note)


def allowance_sheet(forecast: Forecast, allowances: Sequence[Allowance]) -> Sheet:
    """One row for each component: what it may err by, beside what it does."""
    local = {one.component: one.local for one in forecast.components}
    columns = (Column("component", False), Column("may err by"), Column("errs by"), Column("decided by", False))
    rows = [
        (plain(one.component), error_text(one.allowed), error_text(local[one.component]), plain(one.outcome or NOTHING))
        for one in allowances
    ]
    return Sheet("To end within the budget", columns, rows)


def gain_sheet(forecast: Forecast, links: Sequence[Link]) -> Sheet:
    """The gain of each component, over its uses, and of each step."""
    component = {link.name: link.component for link in links}
    found: dict[str, list[float]] = defaultdict(list)
    for gain in forecast.links:
        found[component[gain.name]].append(gain.gain)
    rows = [(plain(name), gain_text(median(g)), gain_text(min(g)), gain_text(max(g))) for name, g in found.items()]
    rows += [(gain.name, gain_text(gain.gain), NOTHING, NOTHING) for gain in forecast.steps]
    columns = (Column("of", False), Column("gain"), Column("least"), Column("most"))
    return Sheet("Gains of white noise, relative", columns, rows)


def guidance_sheet(forecast: Forecast) -> Sheet:
    """One row for each linear combination: how it amplifies the errors of the run."""
    columns = (
        Column("link", False),
        Column("gives", False),
        Column("correlation"),
        Column("amplifies"),
        Column("by weights"),
        Column("if independent"),
    )
    rows = [
        (
            plain(one.link),
            plain(one.result),
            " ".join(f"{value:.2f}" for value in one.correlations[0][1:]),
            gain_text(one.amplification),
            gain_text(one.by_weights),
            gain_text(one.independent),
        )
        for one in forecast.combinations
    ]
    note = (
        "correlation: of the error of the first part (the conditioned pass) with that of each other. amplifies: "
        "relative error of the result over that of the first part; beside it what weights and correlations say."
    )
    return Sheet("Guidance", columns, rows, note)


def _correlation(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
