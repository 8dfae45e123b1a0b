"""Write a synthetic LTX-2.3 checkpoint in the official single-file format, or an upsampler in its own.

Exit codes: 0 written, 2 bad input (one line on stderr).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from parity.errors import BadInputError, ExitCode
from parity.ltx23.configs import CONFIG_NAMES
from parity.ltx23.synthetic.components import COMPONENTS
from parity.ltx23.synthetic.heavy import Profile
from parity.ltx23.synthetic.spec import CheckpointSpec, FileSpec
from parity.ltx23.synthetic.upsampler_file import UpsamplerSpec
from parity.ltx23.synthetic.write import WrittenCheckpoint, write_checkpoint

_UPSAMPLER, _ALL = "upsampler", "all"
_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="write_checkpoint", description=__doc__)
    add = parser.add_argument
    add("--config", choices=CONFIG_NAMES, default="tiny", help="widths and switches (default: tiny)")
    add("--layers", type=int, metavar="N", help="number of blocks, instead of the configuration's")
    add(
        "--component",
        nargs="+",
        choices=[*COMPONENTS, _ALL, _UPSAMPLER],
        default=["transformer"],
        help="what the checkpoint holds (default: transformer); upsampler: that file instead",
    )
    add("--seed", type=int, default=0, help="another seed, other weights (default: 0)")
    add("--dtype", choices=_DTYPES, default="bfloat16", help="what the weights are rounded to")
    add("--profile", choices=[profile.value for profile in Profile], default=Profile.ALIVE.value)
    add(
        "--device",
        choices=["cpu", "cuda"],
        default="cpu",
        help="where the numbers are made; the file is the same (default: cpu)",
    )
    add("--output", type=Path, required=True, metavar="PATH", help="the file to write")
    add("--json", action="store_true", help="print path, bytes, sha256 and parameters as JSON")
    return parser


def _spec(arguments: argparse.Namespace) -> FileSpec:
    chosen: list[str] = arguments.component
    seed, dtype, profile = arguments.seed, _DTYPES[arguments.dtype], Profile(arguments.profile)
    if _UPSAMPLER in chosen:
        if len(chosen) > 1 or arguments.layers is not None:
            got = "with other components, or --layers"
            raise BadInputError("--component upsampler", got, "alone", "write the upsampler and the checkpoint apart")
        return UpsamplerSpec(arguments.config, seed, dtype, profile)
    components = tuple(COMPONENTS) if _ALL in chosen else tuple(chosen)
    return CheckpointSpec(arguments.config, seed, dtype, profile, components, num_layers=arguments.layers)


def _written(arguments: argparse.Namespace) -> WrittenCheckpoint:
    spec = _spec(arguments)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("writing")
        return write_checkpoint(
            arguments.output,
            spec,
            arguments.device,
            lambda done, total: bar.update(task, completed=done, total=total),
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the checkpoint that the command line asks for, and give the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        written = _written(arguments)
    except BadInputError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.BAD_INPUT
    if arguments.json:
        result = {
            "path": str(written.path),
            "bytes": written.nbytes,
            "sha256": written.sha256,
            "parameters": written.parameters,
        }
        sys.stdout.write(json.dumps(result) + "\n")
    return ExitCode.WITHIN_BUDGET


if __name__ == "__main__":
    sys.exit(main())
