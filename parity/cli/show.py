"""`ltx-parity show`: what is in a dump, or which taps a case declares."""

import argparse
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from parity.binding import load_binding
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode
from parity.metrics import codec
from parity.report.numbers import plain
from parity.report.sheets import Column, Sheet
from parity.report.terminal import print_sheet
from parity.sketch.file import is_sketch, read_sketch
from parity.sketch.row import Row
from parity.store import Dump, Manifest
from parity.store.bits import dtype_name

_FIGURES = ("norm", "largest", "not finite")


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "show", help="what is in a dump, or the taps of a case", description="Show a dump's manifest and taps."
    )
    parser.add_argument("dump", type=Path, nargs="?", metavar="DUMP", help="the dump to show")
    parser.add_argument("--taps", metavar="CASE", help="list the taps that a case declares, instead of a dump")
    parser.add_argument("--pattern", default="*", help="only taps that match (default: all)")
    parser.add_argument("--verify", action="store_true", help="hash every tensor again")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Show one or the other."""
    if (arguments.dump is None) == (arguments.taps is None):
        raise BadInputError("show", "no single thing to show", "a dump, or --taps CASE", "give one of the two")
    if arguments.taps is not None:
        names = [n for n in load_binding(arguments.model).taps(arguments.taps) if fnmatchcase(n, arguments.pattern)]
        if arguments.json:
            screen.json(names)
        else:
            for name in names:
                screen.line(name)
        return ExitCode.WITHIN_BUDGET
    if is_sketch(arguments.dump):
        _show_sketch(arguments, screen)
        return ExitCode.WITHIN_BUDGET
    with Dump.open(arguments.dump) as dump:
        if arguments.verify:
            dump.verify()
        names = [name for name in dump.names if fnmatchcase(name, arguments.pattern)]
        if arguments.json:
            screen.json({"manifest": dump.manifest.to_json(), "taps": {name: _entry(dump, name) for name in names}})
        else:
            _print(dump, names, screen)
    return ExitCode.WITHIN_BUDGET


def _entry(dump: Dump, name: str) -> dict[str, object]:
    entry = dump.entry(name)
    dtype = dtype_name(entry.dtype)
    return {"shape": list(entry.shape), "dtype": dtype, "sha256": entry.sha256, "bytes": entry.nbytes}


def _show_sketch(arguments: argparse.Namespace, screen: Screen) -> None:
    # Every hash has been checked once it is read.
    sketch = read_sketch(arguments.dump)
    rows = {name: sketch.row(name) for name in sketch.taps if fnmatchcase(name, arguments.pattern)}
    if arguments.json:
        taps = {name: _sketched(row) for name, row in rows.items()}
        screen.json({"manifest": sketch.manifest.to_json(), "taps": taps})
        return
    _print_manifest(sketch.manifest, screen)
    screen.line(f"distinct tensors: {len(sketch.rows)} of {len(sketch.taps)} taps")
    columns = (*(Column(name, False) for name in ("tap", "dtype", "shape", "digest")), *map(Column, _FIGURES))
    print_sheet(screen.out, Sheet("Taps", columns, [_cells(name, row) for name, row in rows.items()]))


def _cells(name: str, row: Row) -> tuple[str, ...]:
    shape, dtype = "x".join(map(str, row.shape)) or "scalar", dtype_name(row.dtype)
    return plain(name), dtype, shape, row.digest.hex(), f"{row.norm:.6g}", f"{row.largest:.6g}", str(sum(row.nonfinite))


def _sketched(row: Row) -> dict[str, object]:
    return {
        "shape": list(row.shape),
        "dtype": dtype_name(row.dtype),
        "digest": row.digest.hex(),
        "norm": codec.encode(row.norm),
        "largest": row.largest,
        "nonfinite": list(row.nonfinite),
        "elements": row.elements.size // row.dtype.itemsize,
    }


def _print_manifest(manifest: Manifest, screen: Screen) -> None:
    for key, value in manifest.to_json().items():
        many = key == "input_sha256" and isinstance(value, dict)
        screen.line(f"{key}: {len(value)} inputs" if many else f"{key}: {value}")  # type: ignore[arg-type]


def _print(dump: Dump, names: list[str], screen: Screen) -> None:
    _print_manifest(dump.manifest, screen)
    table = Table("tap", "dtype", "shape", "sha256", box=None)
    for name in names:
        entry = dump.entry(name)
        dtype = dtype_name(entry.dtype)
        table.add_row(Text(name), dtype, "x".join(map(str, entry.shape)) or "scalar", entry.sha256[:12])
    screen.out.print(table)
