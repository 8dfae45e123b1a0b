"""A case to a sketch on disk, and a dump as a sketch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parity.capture import Selection
from parity.chain.progress import Progress
from parity.errors import BadInputError
from parity.run.forward import Forward, Implementation
from parity.sketch.file import MOST_BYTES, require_suffix, write_sketch
from parity.sketch.plain import read_plain
from parity.sketch.recipe import DEFAULT, Recipe
from parity.sketch.row import Reading, rows_of
from parity.sketch.sketch import Book, Sketch
from parity.sketch.take import SketchVisitor, take
from parity.store import Dump, Manifest
from parity.store.bits import dtype_name


@dataclass(frozen=True)
class SketchRequest:
    """How a sketch is taken, and how large its file may be."""

    recipe: Recipe = DEFAULT
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True)
class Sitting:
    """What is sketched: passes of an implementation, which of their taps, and how."""

    implementation: Implementation
    forwards: Sequence[Forward]
    selection: Selection = field(default_factory=Selection)
    request: SketchRequest = field(default_factory=SketchRequest)


def record_sketch(sitting: Sitting, manifest: Manifest, output: Path, progress: Progress) -> Manifest:
    """Run the passes and write their sketch, whole or not at all; gives its manifest.

    BadInputError for a limit of tokens: a sketch reads whole tensors.
    """
    require_suffix(output)
    if sitting.selection.max_tokens is not None:
        raise BadInputError("capture", "--max-tokens with --sketch", "whole tensors", "leave it out")
    declared = [name for forward in sitting.forwards for name in forward.plan.names]
    visitor = SketchVisitor(sitting.request.recipe, frozenset(sitting.selection.names(declared)))
    take(sitting.implementation, sitting.forwards, visitor, progress)
    patterns, book = sitting.selection.patterns, visitor.book
    sketch = Sketch(manifest, visitor.recipe, dtype_name(visitor.sums), patterns, book.rows, book.taps)
    return write_sketch(sketch, output, sitting.request.most_bytes)


def sketch_of(dump: Dump, recipe: Recipe) -> Sketch:
    """Sketch the tensors of a dump."""
    book = Book()
    for name in dump.names:
        tensor = dump.read(name)
        (row,) = rows_of([Reading(tensor.dtype, tuple(tensor.shape), read_plain(tensor, recipe))])
        book.add([(name, row)])
    return Sketch(dump.manifest, recipe, "float64", ("*",), book.rows, book.taps)
