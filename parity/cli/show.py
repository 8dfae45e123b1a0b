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
from parity.store import Dump
from parity.store.bits import dtype_name


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


def _print(dump: Dump, names: list[str], screen: Screen) -> None:
    for key, value in dump.manifest.to_json().items():
        many = key == "input_sha256" and isinstance(value, dict)
        screen.line(f"{key}: {len(value)} inputs" if many else f"{key}: {value}")  # type: ignore[arg-type]
    table = Table("tap", "dtype", "shape", "sha256", box=None)
    for name in names:
        entry = dump.entry(name)
        dtype = dtype_name(entry.dtype)
        table.add_row(Text(name), dtype, "x".join(map(str, entry.shape)) or "scalar", entry.sha256[:12])
    screen.out.print(table)
