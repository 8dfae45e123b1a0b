"""A sketch on disk: the columns of its rows as the tensors of a dump of another kind, whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.sketch.columns import Kept, columns_of, rows_in
from parity.sketch.recipe import WORD, Recipe
from parity.sketch.sketch import Sketch
from parity.store import Dump, DumpWriter, Manifest
from parity.store.refusal import shown

SUFFIX = ".sketch.safetensors"
KIND = "sketch/1"
MOST_BYTES = 100_000_000
SUMS = ("float64", "float32")

_NAMES, _TAPS = "names", "taps"
# At most what header and index take for one column, and the rest of both.
_COLUMN_BYTES, _FORMAT_BYTES = 512, 4096


def is_sketch(path: Path) -> bool:
    """Whether a path is named as sketches are."""
    return path.name.endswith(SUFFIX)


def require_suffix(path: Path) -> None:
    """Refuse a name that would be taken for a dump of tensors."""
    if not is_sketch(path):
        raise BadInputError(str(path), f"the name {path.name!r}", f"one that ends in {SUFFIX}", "rename it")


def write_sketch(sketch: Sketch, path: Path, most_bytes: int = MOST_BYTES) -> Manifest:
    """Write a sketch that is no larger than `most_bytes`, and give its manifest.

    Of a tensor with more elements than the recipe asks for, so many of those drawn are kept as there is room for, of
    each tensor the same number. BadInputError where there is no room even without them, or the disk refuses.
    """
    require_suffix(path)
    asked = sketch.recipe.elements
    without = _columns(sketch, Kept(asked, 0))
    fixed = _bytes(without, _described(sketch, asked))
    each = sum(row.dtype.itemsize for row in sketch.rows if row.size > asked)
    if fixed > most_bytes:
        got = f"{fixed:,} bytes for {len(sketch.rows):,} distinct tensors without exact elements of large ones"
        raise BadInputError(str(path), got, f"{most_bytes:,} at most", "raise --max-bytes, or choose fewer taps")
    first = min(asked, (most_bytes - fixed) // each) if each else asked
    with DumpWriter(path) as writer:
        for name, column in _columns(sketch, Kept(asked, first)).items():
            writer.write(name, column)
        writer.set_manifest(_described(sketch, first))
    with Dump.open(path, KIND) as dump:
        return dump.manifest


def read_sketch(path: Path) -> Sketch:
    """Read what `write_sketch` wrote; BadInputError in one line for anything else."""
    require_suffix(path)
    with Dump.open(path, KIND) as dump:
        columns = {name: dump.read(name) for name in dump.names}
        manifest = dump.manifest
    extra, where = manifest.extra, str(path)
    recipe = Recipe(_number(extra, "seed", where), _number(extra, "elements", where))
    kept = Kept(recipe.elements, _number(extra, "drawn", where))
    sums = _text(extra, "sums", where)
    if sums not in SUMS or kept.first > kept.whole:
        _refuse(where, f"sums {shown(sums)}, {kept.first} of {kept.whole} elements")
    names, taps = columns.pop(_NAMES, None), columns.pop(_TAPS, None)
    rows = rows_in(columns, kept, where)
    patterns = tuple(_text(extra, "taps", where).split(","))
    return Sketch(manifest, recipe, sums, patterns, rows, _taps(names, taps, len(rows), where))


def _columns(sketch: Sketch, kept: Kept) -> dict[str, Tensor]:
    names = "\n".join(sketch.taps)
    if names.splitlines() != list(sketch.taps) or "" in sketch.taps:
        raise BadInputError("sketch", "a tap whose name is not one line", "names of one line", "rename it")
    return {
        _NAMES: torch.from_numpy(np.frombuffer(names.encode("utf-8"), np.uint8).copy()),
        _TAPS: torch.tensor(list(sketch.taps.values()), dtype=torch.int32),
        **columns_of(sketch.rows, kept),
    }


def _described(sketch: Sketch, drawn: int) -> Manifest:
    """Say in the manifest how the sketch was taken."""
    told = {
        "seed": str(sketch.recipe.seed),
        "elements": str(sketch.recipe.elements),
        "drawn": str(drawn),
        "sums": sketch.sums,
        "taps": ",".join(sketch.patterns),
    }
    extra = {**sketch.manifest.extra, "kind": KIND, **{f"sketch_{key}": text for key, text in told.items()}}
    return replace(sketch.manifest, extra=extra)


def _bytes(columns: Mapping[str, Tensor], manifest: Manifest) -> int:
    """Give what a file of these columns takes at most."""
    # The manifest is JSON in a text of the JSON of the header, each quote escaped.
    header = len(json.dumps(json.dumps(manifest.to_json(), ensure_ascii=False), ensure_ascii=False).encode("utf-8"))
    return header + _FORMAT_BYTES + sum(column.nbytes + _COLUMN_BYTES for column in columns.values())


def _taps(names: Tensor | None, numbers: Tensor | None, rows: int, where: str) -> dict[str, int]:
    if names is None or numbers is None or names.dtype != torch.uint8 or numbers.dtype != torch.int32:
        _refuse(where, "no names of taps")
    try:
        listed = names.numpy().tobytes().decode("utf-8").split("\n")
    except UnicodeDecodeError:
        _refuse(where, "names that are not UTF-8")
    if numbers.ndim != 1 or len(listed) != len(numbers) or len(set(listed)) != len(listed):
        _refuse(where, f"{len(set(listed))} names for taps of shape {tuple(numbers.shape)}")
    if set(numbers.tolist()) != set(range(rows)):
        _refuse(where, f"taps of other rows than its {rows}")
    return dict(zip(listed, numbers.tolist(), strict=True))


def _text(extra: Mapping[str, str], key: str, where: str) -> str:
    found = extra.get(f"sketch_{key}")
    if found is None:
        _refuse(where, f"a manifest without sketch_{key}")
    return found


def _number(extra: Mapping[str, str], key: str, where: str) -> int:
    text = _text(extra, key, where)
    if not text.isdecimal() or not text.isascii() or str(int(text[:20])) != text or int(text) > WORD:
        _refuse(where, f"sketch_{key} {shown(text)}")
    return int(text)


def _refuse(where: str, got: str) -> NoReturn:
    raise BadInputError(where, got, "a whole sketch", "capture it again with --sketch")
