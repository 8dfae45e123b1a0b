"""`ltx-parity gate`: prove one way to run the port, and certify it."""

import argparse
from pathlib import Path
from typing import Any

from parity.binding import GateOutcome, GateRequest, load_binding
from parity.cli import outcome
from parity.cli.options import ATTENTION_KERNELS, positive
from parity.cli.screen import Screen
from parity.errors import ExitCode
from parity.report import render, sealed_document


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "gate",
        help="prove one way to run the port, and write the certificate that opens the pipeline",
        description="Run every suite that applies to one device, precision, attention kernel and release, on every "
        "stage. A run that passes writes a certificate, without which the pipeline does not run; one that does not "
        "removes an older certificate for the same.",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--dtype", default="bfloat16", help="bfloat16 or float32 (default: %(default)s)")
    parser.add_argument("--attention", choices=ATTENTION_KERNELS, default="auto",
                        help="attention kernel of the port (default: the release's own choice)")  # fmt: skip
    parser.add_argument("--release", help="the release that the port follows (default: its newest)")
    parser.add_argument("--jobs", type=positive, default=1, help="processes that share the work (default: 1)")
    parser.add_argument("--certificates", type=Path, metavar="FOLDER",
                        help="where certificates are kept (default: where the port looks for them)")  # fmt: skip
    outcome.add_options(parser)
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Judge, report, say where the certificate is, and give the verdict as an exit code."""
    request = GateRequest(
        device=arguments.device,
        dtype=arguments.dtype,
        attention=arguments.attention,
        release=arguments.release,
        jobs=arguments.jobs,
        certificates=arguments.certificates,
    )
    outcome.require_pages(arguments)
    with screen.progress() as progress:
        found = load_binding(arguments.model).gate(request, progress)
    outcome.retain(found.report, arguments, screen)
    if arguments.json:
        screen.json(_document(found))
    else:
        render(found.report, screen.out, details=arguments.details)
        screen.line(_certificate_line(found))
    return found.report.exit_code


def _document(found: GateOutcome) -> dict[str, Any]:
    return {
        "report": sealed_document(found.report),
        "certificate": None if found.written is None else str(found.written),
        "removed": None if found.removed is None else str(found.removed),
    }


def _certificate_line(found: GateOutcome) -> str:
    if found.written is not None:
        return f"certificate: {found.written}"
    removed = "" if found.removed is None else f"; removed the older one, {found.removed}"
    return f"certificate: none, this run did not pass{removed}"
