"""`ltx-parity capture`: record the taps of one case to a dump."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from parity.binding import CaptureRequest, WeightsForm, load_binding
from parity.capture import Selection
from parity.cli.options import ONE_SIDE, commas, positive, size
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.sketch.capture import SketchRequest
from parity.sketch.recipe import DEFAULT
from parity.store import WriteLimits


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "capture", help="record a case to a dump", description="Run one implementation and record its taps."
    )
    parser.add_argument("output", type=Path, metavar="DUMP", help="the dump to write: .h5 or .safetensors")
    parser.add_argument("--case", required=True, help="the case to run (see `ltx-parity run --list`)")
    parser.add_argument("--config", metavar="NAME", help="what the case's configuration must be (default: any)")
    parser.add_argument("--side", required=True, help="port, or official for the running reference")
    parser.add_argument("--dtype", default="bfloat16", help="working precision (default: %(default)s)")
    parser.add_argument("--release", help="the reference's release (default: the installed one)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--taps", type=commas, default=("*",), metavar="PATTERNS",
                        help="taps to keep, separated by commas; * and ? match (default: all)")  # fmt: skip
    parser.add_argument("--max-bytes", type=size, help="stop storing beyond this many bytes (K, M, G)")
    parser.add_argument("--max-tokens", type=positive, help="keep only the first tokens of each tensor")
    parser.add_argument("--statistics", action="store_true",
                        help="keep figures of each tensor and no tensors: DUMP is then .json")  # fmt: skip
    parser.add_argument("--sketch", action="store_true",
                        help="keep sketches and no tensors: DUMP is then .sketch.safetensors")  # fmt: skip
    parser.add_argument(
        "--elements", type=positive, help="with --sketch: exact elements of each tensor (default: 1024)"
    )
    parser.add_argument("--weights", choices=ONE_SIDE, default=ONE_SIDE[0],
                        help="weights that are made on the device: all at once, or block by block when they are needed "
                        "(default: %(default)s)")  # fmt: skip
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Record; the dump appears under its name only when it is whole."""
    request = CaptureRequest(
        case=arguments.case,
        side=arguments.side,
        dtype=arguments.dtype,
        output=arguments.output,
        command=shlex.join(["ltx-parity", *sys.argv[1:]]),
        selection=Selection(arguments.taps, arguments.max_tokens),
        limits=WriteLimits(arguments.max_bytes),
        device=arguments.device,
        release=arguments.release,
        statistics=arguments.statistics,
        sketch=_sketch(arguments),
        config=arguments.config,
        weights=WeightsForm(arguments.weights),
    )
    _require_consistent(arguments)
    with screen.progress() as progress:
        manifest = load_binding(arguments.model).capture(request, progress)
    if arguments.json:
        screen.json({"path": str(arguments.output), "manifest": manifest.to_json()})
    else:
        cut = f", {len(manifest.dropped)} left out or cut by limits" if manifest.dropped else ""
        nbytes = arguments.output.stat().st_size
        taps = f"sketch of {manifest.case}" if arguments.sketch else f"{manifest.tap_count} taps of {manifest.case}"
        screen.line(f"{arguments.output}: {taps}, {nbytes:,} bytes{cut}")
    return ExitCode.WITHIN_BUDGET


def _sketch(arguments: argparse.Namespace) -> SketchRequest | None:
    if not arguments.sketch:
        return None
    recipe = DEFAULT if arguments.elements is None else DEFAULT._replace(elements=arguments.elements)
    return SketchRequest(recipe) if arguments.max_bytes is None else SketchRequest(recipe, arguments.max_bytes)


def _require_consistent(arguments: argparse.Namespace) -> None:
    limited, sketch = arguments.max_bytes is not None, arguments.sketch
    for asked, got, expected in (
        (arguments.statistics and limited, "--max-bytes with --statistics", "one of the two: figures are small"),
        (arguments.statistics and sketch, "--sketch with --statistics", "one of the two"),
        (arguments.elements is not None and not sketch, "--elements without --sketch", "both, or neither"),
    ):
        if asked:
            raise BadInputError("capture", got, expected, "drop one")
