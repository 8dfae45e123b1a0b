"""`ltx-parity calibrate`: measure what error is legitimate at each tap."""

import argparse
from pathlib import Path
from typing import Any

from parity.binding import Binding, load_binding
from parity.calibrate.ratchet import refusals, write_lock
from parity.calibrate.request import CalibrateRequest, Calibration
from parity.cli.options import commas, existing_folder, positive
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "calibrate",
        help="measure what error is legitimate",
        description="Run the reference in every legitimate way, and write down how far its taps come out. "
        "What was measured is kept: run it again after an interruption, and it goes on from there.",
    )
    parser.add_argument("--stage", type=commas, default=(), help="stages, separated by commas (default: all)")
    parser.add_argument("--case", type=commas, default=(), help="cases, separated by commas (default: all tiny ones)")
    parser.add_argument("--dtype", type=commas, default=(), help="float32, bfloat16 (default: each case's own)")
    parser.add_argument("--runs", type=positive, default=64,
                        help="at least so many runs of each case and precision (default: %(default)s)")  # fmt: skip
    parser.add_argument("--jobs", type=positive, default=1, help="processes that share the work (default: 1)")
    parser.add_argument("--output", type=existing_folder, metavar="FOLDER",
                        help="keep the runs and write STAGE.bands-RELEASE.json there")  # fmt: skip
    parser.add_argument("--tighten", action="store_true",
                        help="write STAGE.budgets.toml there too, tighter where the runs let it be")  # fmt: skip
    parser.add_argument("--lock", action="store_true",
                        help="measure nothing; record the budgets, unless one is looser without a reason")  # fmt: skip
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Calibrate, or lock the budgets."""
    binding = load_binding(arguments.model)
    if arguments.lock:
        return _lock(binding, arguments, screen)
    if arguments.output is None:
        raise BadInputError("calibrate", "no --output", "a folder to keep runs and bands in", "give --output FOLDER")
    request = CalibrateRequest(
        output=arguments.output,
        stages=arguments.stage,
        cases=arguments.case,
        dtypes=arguments.dtype,
        runs=arguments.runs,
        jobs=arguments.jobs,
        tighten=arguments.tighten,
    )
    with screen.progress() as progress:
        found = binding.calibrate(request, progress)
    if arguments.json:
        screen.json(_document(found))
    else:
        for line in _lines(found):
            screen.line(line)
    return ExitCode.WITHIN_BUDGET


def _document(found: Calibration) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "bands": {stage: str(path) for stage, path in found.bands.items()},
        "budgets": {stage: str(path) for stage, path in found.budgets.items()},
        "tightened": [
            {"stage": row.stage, "row": row.row, "gate": row.gate, "before": row.before, "after": row.after}
            for row in found.tightened
        ],
    }


def _lines(found: Calibration) -> list[str]:
    files = {**found.bands, **{f"{stage}, budgets": path for stage, path in found.budgets.items()}}
    told = [f"{found.runs:,} runs"]
    told += [f"{what}: {path}, {Path(path).stat().st_size:,} bytes" for what, path in files.items()]
    told += [
        f"{row.stage} budget {row.row}, {row.gate}: ratio {row.before[0]:g} -> {row.after[0]:g}, "
        f"ceiling {row.before[2]:g} -> {row.after[2]:g}"
        for row in found.tightened
    ]
    return told


def _lock(binding: Binding, arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    path, budgets = binding.budget_lock(), binding.budgets()
    refused = [str(refusal) for refusal in refusals(budgets, path)] if path.exists() else []
    rows = 0 if refused else write_lock(budgets, path)
    if arguments.json:
        screen.json({"lock": str(path), "rows": rows, "refused": refused})
    else:
        for line in refused or [f"{path}: {rows} rows"]:
            screen.line(line)
    return ExitCode.OVER_BUDGET if refused else ExitCode.WITHIN_BUDGET
