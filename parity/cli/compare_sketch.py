"""`ltx-parity compare` where one side is a sketch: the other may be a sketch, a dump, or the port running now."""

import argparse
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from parity.binding import Binding, CaptureRequest, WeightsForm
from parity.capture import Selection
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.judge import Budgets
from parity.report.terminal import print_sheet
from parity.sketch.capture import SketchRequest, sketch_of
from parity.sketch.compare import SketchPair, SketchResult, compare_sketches
from parity.sketch.document import to_document
from parity.sketch.file import SUFFIX, is_sketch, read_sketch
from parity.sketch.recipe import Recipe
from parity.sketch.sheets import divergence_lines, group_sheet, open_lines, tap_sheet, verdict_line, worst_sheet
from parity.sketch.sketch import Sketch
from parity.store import Dump

_NO_LIMIT = 2**62


def act(binding: Binding, budgets: Budgets, arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Compare, report, and give the verdict as an exit code."""
    _refuse_what_sketches_lack(arguments)
    candidate, reference = _both(binding, arguments, screen)
    groups = binding.taps(reference.manifest.case)
    result = compare_sketches(SketchPair(candidate, reference, budgets, arguments.suite, groups))
    if arguments.budgets is not None:
        budgets.refuse_unused(arguments.suite)
    if arguments.json:
        screen.json(to_document(result))
    else:
        _print(result, arguments.details, screen)
    return result.exit_code


def _both(binding: Binding, arguments: argparse.Namespace, screen: Screen) -> tuple[Sketch, Sketch]:
    """Give candidate and reference; what is not a sketch is sketched as the other one was."""
    if arguments.live:
        reference = read_sketch(arguments.reference)
        return _live(binding, reference, arguments, screen), reference
    if is_sketch(arguments.reference):
        reference = read_sketch(arguments.reference)
        return _read(arguments.candidate, reference.recipe), reference
    candidate = read_sketch(arguments.candidate)
    return candidate, _read(arguments.reference, candidate.recipe)


def _read(path: Path, recipe: Recipe) -> Sketch:
    if is_sketch(path):
        return read_sketch(path)
    with Dump.open(path) as dump:
        return sketch_of(dump, recipe)


def _live(binding: Binding, reference: Sketch, arguments: argparse.Namespace, screen: Screen) -> Sketch:
    """Sketch the candidate as it is now, in what the reference was sketched in."""
    told = reference.manifest
    with TemporaryDirectory(prefix="ltx-parity-") as folder:
        path = Path(folder) / f"live{SUFFIX}"
        request = CaptureRequest(
            case=told.case,
            side="",
            dtype=told.dtype,
            output=path,
            command=shlex.join(["ltx-parity", *sys.argv[1:]]),
            selection=Selection(reference.patterns),
            device=arguments.device or "cpu",
            release=told.release,
            sketch=SketchRequest(reference.recipe, _NO_LIMIT),
            weights=WeightsForm(arguments.weights or WeightsForm.COPIES),
        )
        with screen.progress() as progress:
            binding.capture(request, progress)
        return read_sketch(path)


def _print(result: SketchResult, details: bool, screen: Screen) -> None:
    screen.line(verdict_line(result))
    divergence = divergence_lines(result)
    if divergence:
        screen.line(f"\nFirst divergence: {divergence[0]}")
        for line in divergence[1:]:
            screen.line(f"  {line}")
    still_open = open_lines(result)
    if still_open:
        screen.line("\nNot compared or not decided:")
        for line in still_open:
            screen.line(f"  {line}")
    sheets = [group_sheet(result), worst_sheet(result), *((tap_sheet(result),) if details else ())]
    for sheet in sheets:
        if sheet.rows:
            print_sheet(screen.out, sheet)
    for key, value in result.provenance.items():
        screen.line(f"{key}: {value}")


def _refuse_what_sketches_lack(arguments: argparse.Namespace) -> None:
    for option, given in (
        ("--across-releases", arguments.across_releases),
        ("--mapping", arguments.mapping is not None),
        ("--output", arguments.output is not None),
        ("--html", arguments.html is not None),
        ("--history", arguments.history is not None),
        ("--device without --live", arguments.device is not None and not arguments.live),
        ("--weights without --live", arguments.weights is not None and not arguments.live),
    ):
        if given:
            got, expected = f"{option} with a sketch", "a comparison of sketches, whose results are text or --json"
            raise BadInputError("compare", got, expected, "leave it out, or compare dumps")
