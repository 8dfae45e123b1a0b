"""`ltx-parity forecast`: predict the drift of a whole run from its links, share out a budget, check the prediction."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.binding import load_binding
from parity.chain import Chain, ChainRequest, Chains
from parity.chain.document import encoded
from parity.chain.progress import Progress
from parity.cli.options import budget, commas, positive
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.forecast import Allowance, Checked, Forecast, Plan, Share, allocate, check, forecast, with_local_errors
from parity.forecast.local_file import read_local_errors
from parity.forecast.record import QUANTILES
from parity.forecast.sheets import (
    allowance_sheet,
    component_sheet,
    effect_sheet,
    gain_sheet,
    guidance_sheet,
    outcome_sheet,
)
from parity.report.terminal import print_sheet

# The seeds that forecasts are made from begin here, those that they are checked on at 0.
_FIRST_RUN = 1_000_000
_UPPER = max(QUANTILES)


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "forecast",
        help="predict the drift at the end of a run from its links",
        description="Measure each link of a run by itself, predict the drift of its outcomes, and share out a budget.",
    )
    add = parser.add_argument
    add("--numerics", type=commas, metavar="NAMES", help="what to forecast (default: the first that is not the truth)")
    add("--list", action="store_true", help="list the numerics, and run nothing")
    add("--steps", type=positive, default=4, help="denoise steps (default: %(default)s)")
    add("--blocks", type=positive, help="blocks of the model (default: as configured)")
    add("--runs", type=positive, default=4, help="runs of the truth to draw along (default: %(default)s)")
    add("--draws", type=positive, default=3, help="draws of errors along each (default: %(default)s)")
    add("--budget", type=budget, action="append", default=[], metavar="[OUTCOME=]ERROR",
        help="relative L2 to end within, for one outcome or all, shared out to the components")  # fmt: skip
    add("--share", choices=[share.value for share in Share], default=Share.EQUAL.value,
        help="equally, or in the proportions that were measured (default: %(default)s)")  # fmt: skip
    add("--local", type=Path, metavar="FILE.json",
        help="local errors of a port that is elsewhere (component: relative L2), amplified as --numerics'")  # fmt: skip
    add("--check", action="store_true", help="run it whole too: is the drift within 2x of the forecast's median?")
    add("--seeds", type=positive, default=20, help="seeds to check it on (default: %(default)s)")
    add("--release", help="the release to follow (default: the newest)")
    add("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.set_defaults(act=act)


@dataclass(frozen=True)
class _Found:
    """What was found for one of the numerics."""

    forecast: Forecast
    allowances: tuple[Allowance, ...]
    over_budget: tuple[str, ...]
    checked: tuple[Checked, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Over budget where the upper end of a forecast is, and where the assembled run is not as forecast."""
        failed = self.over_budget or any(not one.holds for one in self.checked)
        return ExitCode.OVER_BUDGET if failed else ExitCode.WITHIN_BUDGET


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Forecast each of the numerics, and give the verdict as an exit code."""
    binding = load_binding(arguments.model)
    known = binding.numerics()
    if arguments.list:
        _list(known, arguments.json, screen)
        return ExitCode.WITHIN_BUDGET
    names = arguments.numerics or tuple(known)[1:2]
    _require_usable(arguments, names, tuple(known))
    request = ChainRequest(arguments.steps, arguments.blocks, arguments.release, arguments.device)
    with binding.chains(request) as chains, screen.progress() as progress:
        found = [_forecast(arguments, chains, name, progress) for name in names]
        truth = chains.chain(chains.truth)
    if arguments.json:
        screen.json({"request": encoded(request), "forecasts": [_document(one) for one in found]})
    else:
        for one in found:
            _print(one, truth, screen)
    return max(one.exit_code for one in found)


def _list(known: Mapping[str, str], as_json: bool, screen: Screen) -> None:
    if as_json:
        screen.json(dict(known))
        return
    for name, says in known.items():
        screen.line(f"{name:<16}{says}")


def _require_usable(arguments: argparse.Namespace, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise BadInputError(f"numerics {unknown[0]!r}", "unknown", f"one of {', '.join(known)}", "choose one")
    if arguments.local is not None and (len(names) > 1 or arguments.check):
        got = "with --check" if arguments.check else f"with {len(names)} numerics"
        raise BadInputError("--local", got, "one --numerics whose errors it is like, and no run", "leave the other out")
    if arguments.seeds > _FIRST_RUN:
        raise BadInputError("--seeds", f"{arguments.seeds}", f"{_FIRST_RUN} at most", "check on fewer")


def _forecast(arguments: argparse.Namespace, chains: Chains, name: str, progress: Progress) -> _Found:
    # Read first: a bad file is told before anything long starts.
    local = {} if arguments.local is None else read_local_errors(arguments.local)
    truth, own = chains.chain(chains.truth), chains.chain(name)
    starts = {seed: chains.start(seed) for seed in range(_FIRST_RUN, _FIRST_RUN + arguments.runs)}
    made = forecast(truth, own, Plan(starts, arguments.draws), progress)
    if arguments.local is not None:
        made = with_local_errors(made, local, str(arguments.local))
    budgets = _budgets(arguments.budget, made)
    allowances = allocate(made, budgets, Share(arguments.share)) if budgets else ()
    over = tuple(key for key, most in budgets.items() if made.outcomes[key].quantile(_UPPER) > most)
    checked: tuple[Checked, ...] = ()
    if arguments.check:
        checked = check((truth, own), made, (range(arguments.seeds), chains.start), progress=progress)
    return _Found(made, allowances, over, checked)


def _budgets(asked: list[tuple[str | None, float]], made: Forecast) -> dict[str, float]:
    """Give each outcome its budget: the one for all, unless it has its own."""
    found = {key: value for name, value in asked if name is None for key in made.outcomes}
    return found | {name: value for name, value in asked if name is not None}


def _document(found: _Found) -> dict[str, Any]:
    outcomes = found.forecast.outcomes
    return {
        "forecast": encoded(found.forecast),
        "quantiles": {key: {str(q): encoded(one.quantile(q)) for q in QUANTILES} for key, one in outcomes.items()},
        "allowances": encoded(found.allowances),
        "over_budget": list(found.over_budget),
        "checked": [{**encoded(one), "ratios": encoded(one.ratios), "holds": one.holds} for one in found.checked],
        "exit_code": int(found.exit_code),
    }


def _print(found: _Found, chain: Chain, screen: Screen) -> None:
    made = found.forecast
    sheets = [outcome_sheet(made, found.checked), component_sheet(made), effect_sheet(made)]
    sheets += [allowance_sheet(made, found.allowances)] if found.allowances else []
    for sheet in (*sheets, guidance_sheet(made), gain_sheet(made, chain.links)):
        if sheet.rows:
            print_sheet(screen.out, sheet)
    for key in found.over_budget:
        screen.line(f"over budget: {key}, forecast up to {made.outcomes[key].quantile(_UPPER):.1e} ({_UPPER:.0%})")
    for one in found.checked:
        if not one.holds:
            screen.line(
                f"not as forecast: {one.outcome}, {one.within} of {len(one.measured)} seeds within {one.factor:g}x"
            )
