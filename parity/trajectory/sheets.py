"""A trajectory as tables."""

from parity.report.numbers import NOTHING, error_text, gain_text, plain
from parity.report.sheets import Column, Sheet
from parity.trajectory.record import SUSPECT, Trajectory


def step_sheet(trajectory: Trajectory) -> Sheet:
    """One row for each step and tensor."""
    columns = (
        Column("step"),
        Column("tensor", False),
        Column("chained"),
        Column("local"),
        Column("gain"),
        Column("", False),
    )
    suspects = trajectory.suspects()
    rows = [
        (
            str(one.step),
            plain(one.tensor),
            error_text(one.chained),
            error_text(one.local),
            gain_text(one.gain),
            "suspect" if one.step in suspects else "",
        )
        for one in trajectory.steps
    ]
    note = (
        "Relative L2. local: the step fed the reference's state. gain: what the step makes of the error it received. "
        f"suspect: local more than {SUSPECT:g} times the other steps' median."
    )
    return Sheet(f"{trajectory.candidate} beside {trajectory.reference}", columns, rows, note)


def guidance_sheet(trajectory: Trajectory) -> Sheet:
    """One row for each guided prediction."""
    columns = (Column("step"), Column("tensor", False), Column("chained"), Column("local"))
    rows = [
        (str(one.step), plain(one.tensor), gain_text(one.chained), gain_text(one.local)) for one in trajectory.guidance
    ]
    return Sheet("Guidance: error after it over that of the conditioned pass", columns, rows)


def final_sheet(trajectory: Trajectory) -> Sheet:
    """One row for each outcome, with what somebody sees or hears of its error."""
    measures: dict[str, list[str]] = {key: [] for key in trajectory.final}
    for one in trajectory.quality:
        measures[one.outcome].append(f"{one.measure} {one.value:.4g}{f' {one.unit}' if one.unit else ''}")
    columns = (Column("outcome", False), Column("relative L2"), Column("quality", False))
    rows = [
        (plain(key), error_text(error), ", ".join(measures[key]) or NOTHING) for key, error in trajectory.final.items()
    ]
    return Sheet("At the end", columns, rows)
