"""Carrying a dump from one file format to the other."""

from pathlib import Path

from parity.store.dump import Dump
from parity.store.writer import DumpWriter


def convert(src: Path | str, dst: Path | str, compression: int | None = None) -> None:
    """Write the dump at `src` to `dst`, in the format of its suffix: same names, bits and manifest.

    Every bit is checked against its hash on the way. Raises BadInputError as `Dump.open` and `DumpWriter` do.
    """
    with Dump.open(src) as dump, DumpWriter(dst, compression=compression) as writer:
        writer.set_manifest(dump.manifest)
        for name in dump.names:
            writer.write(name, dump.read(name))
