"""Sketches whose columns were changed by somebody who then wrote every hash anew."""

import tempfile
from pathlib import Path
from random import Random

import torch

from fuzz import content
from parity.sketch.file import KIND, SUFFIX
from parity.store import Dump, DumpWriter


def forged(random: Random, raw: bytes) -> bytes:
    """Change bytes of a column, or its length, and write the file again."""
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder) / f"a{SUFFIX}", Path(folder) / f"b{SUFFIX}"
        path.write_bytes(raw)
        with Dump.open(path, KIND) as dump, DumpWriter(other) as writer:
            chosen = random.choice(dump.names)
            for name in dump.names:
                column = dump.read(name)
                writer.write(name, _changed(random, column) if name == chosen else column)
            writer.set_manifest(dump.manifest)
        return other.read_bytes()


def _changed(random: Random, column: torch.Tensor) -> torch.Tensor:
    if random.random() < 0.2 or not column.numel():
        return column[: random.randrange(len(column) + 1)].clone()
    changed = content.flip(random, column.contiguous().view(torch.uint8).numpy().tobytes())
    return torch.frombuffer(bytearray(changed), dtype=torch.uint8).view(column.dtype).view(column.shape)
