"""`ltx-parity inputs`: the exact inputs and weights of a case, for a port in any language."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from parity.binding import InputsRequest, load_binding
from parity.cli.options import commas
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.foreign.export import check_inputs
from parity.foreign.inputs_manifest import InputsManifest


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "inputs",
        help="export a case's inputs and weights",
        description="Export the exact inputs and weights of a case as safetensors with a JSON manifest.",
    )
    parser.add_argument("--case", help="the case to export (see `ltx-parity run --list`)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="the folder to write; it must not exist yet")
    parser.add_argument("--dtype", default="float32", help="working precision of the inputs (default: %(default)s)")
    parser.add_argument("--release", help="the reference's release (default: the installed one)")
    parser.add_argument("--pass", type=commas, default=(), dest="passes", metavar="PASSES",
                        help="passes, separated by commas (default: all)")  # fmt: skip
    parser.add_argument("--given", type=Path, metavar="DUMP",
                        help="a dump of the reference: with --taps, what a part that runs alone receives")  # fmt: skip
    parser.add_argument("--taps", type=commas, default=(), metavar="PATTERNS", help="taps of --given to export as well")
    parser.add_argument(
        "--check", type=Path, metavar="FOLDER", help="hash an exported folder again, and export nothing"
    )
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Export or check; a folder appears under its name only when it is whole."""
    exporting = arguments.case is not None and arguments.output is not None
    if exporting == (arguments.check is not None):
        raise BadInputError(
            "inputs", "no single thing to do", "--case with --output, or --check", "give one of the two"
        )
    if (arguments.given is not None) != bool(arguments.taps):
        raise BadInputError("inputs", "--given and --taps", "both or neither", "say which taps of which dump")
    if arguments.check is not None:
        folder, manifest = arguments.check, check_inputs(arguments.check)
    else:
        folder, manifest = arguments.output, _export(arguments, screen)
    if arguments.json:
        screen.json({"path": str(folder), "manifest": manifest.model_dump(mode="json", by_alias=True)})
    else:
        screen.line(_told(folder, manifest))
    return ExitCode.WITHIN_BUDGET


def _export(arguments: argparse.Namespace, screen: Screen) -> InputsManifest:
    request = InputsRequest(
        case=arguments.case,
        dtype=arguments.dtype,
        output=arguments.output,
        command=shlex.join(["ltx-parity", *sys.argv[1:]]),
        passes=arguments.passes,
        release=arguments.release,
        given=arguments.given,
        taps=arguments.taps,
    )
    with screen.progress() as progress:
        return load_binding(arguments.model).inputs(request, progress)


def _told(folder: Path, manifest: InputsManifest) -> str:
    tensors = sum(len(record.arguments) for record in manifest.passes)
    files = [file for record in manifest.weights for file in record.files]
    size = sum(file.bytes for file in files)
    given = "" if manifest.given is None else f", {len(manifest.given.tensors)} taps of {manifest.given.producer}"
    return (
        f"{folder}: {manifest.case} in {manifest.dtype}, {len(manifest.passes)} passes of {tensors} tensors, "
        f"{len(files)} weights files of {size:,} bytes{given}; identity {manifest.identity}"
    )
