"""`ltx-parity run`: run suites and print the drift report."""

import argparse
from typing import Any

from parity.binding import RunRequest, WeightsForm, load_binding
from parity.cli import outcome
from parity.cli.options import ATTENTION_KERNELS, commas, positive
from parity.cli.screen import Screen
from parity.errors import ExitCode


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "run", help="run suites and report", description="Run both implementations and judge every tap."
    )
    parser.add_argument("--stage", type=commas, default=(), help="stages, separated by commas (default: all)")
    parser.add_argument("--suite", type=commas, default=(), help="suites, separated by commas (default: all live)")
    parser.add_argument("--case", type=commas, default=(), help="cases, separated by commas (default: all tiny ones)")
    parser.add_argument("--dtype", type=commas, default=(), help="float32, bfloat16 (default: each case's own)")
    parser.add_argument(
        "--reference",
        choices=("auto", "live", "recorded"),
        default="auto",
        help="the running official code, or recorded dumps (default: live where it is installed)",
    )
    parser.add_argument("--release", help="the reference's release (default: all that can be judged here)")
    parser.add_argument("--real-size", action="store_true", help="run the cases at real size, not the tiny ones")
    parser.add_argument("--config", help="the cases of one configuration, such as ltx-2.3-22b (default: any)")
    parser.add_argument(
        "--live", action="store_true", help="run port and official code side by side and keep no tap: for any size"
    )
    parser.add_argument("--weights", choices=tuple(map(str, WeightsForm)), default=str(WeightsForm.COPIES),
                        help="with --live: weights that are made on the device are each side's own, held by both, or "
                        "held by both and made block by block when they are needed (default: %(default)s)")  # fmt: skip
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--attention", choices=ATTENTION_KERNELS, default="auto",
                        help="attention kernel of the port (default: torch's choice, as the reference)")  # fmt: skip
    parser.add_argument("--threads", type=positive, help="CPU threads (default: torch's choice)")
    parser.add_argument("--jobs", type=positive, default=1, help="processes that share the work (default: 1)")
    parser.add_argument("--fault", metavar="ID", help="plant a known fault in the port, to see what is reported")
    parser.add_argument("--list", action="store_true", help="list stages, suites, cases and faults, and run nothing")
    outcome.add_options(parser)
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Run, report, and give the verdict as an exit code."""
    binding = load_binding(arguments.model)
    if arguments.list:
        return _list(arguments, screen)
    outcome.require_pages(arguments)
    request = RunRequest(
        stages=arguments.stage,
        suites=arguments.suite,
        cases=arguments.case,
        dtypes=arguments.dtype,
        reference=arguments.reference,
        release=arguments.release,
        real_size=arguments.real_size,
        device=arguments.device,
        fault=arguments.fault,
        attention=arguments.attention,
        threads=arguments.threads,
        jobs=arguments.jobs,
        lockstep=arguments.live,
        weights=WeightsForm(arguments.weights),
        config=arguments.config,
    )
    with screen.progress() as progress:
        result = binding.run(request, progress)
    return outcome.deliver(result, binding.bands(), arguments, screen)


def _list(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    binding = load_binding(arguments.model)
    found = {
        "stages": binding.stages(),
        "suites": binding.suites(),
        "cases": binding.cases(),
        "faults": binding.faults(),
    }
    if arguments.json:
        screen.json({kind: dict(entries) for kind, entries in found.items()})
        return ExitCode.WITHIN_BUDGET
    for kind, entries in found.items():
        screen.line(f"{kind}:")
        width = max(map(len, entries))
        for name, text in entries.items():
            screen.line(f"  {name:<{width}}  {text}")
    return ExitCode.WITHIN_BUDGET
