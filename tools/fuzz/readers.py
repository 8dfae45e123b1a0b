"""Everything that reads a file, what is read of it, and whether that is what the file says."""

import json
from pathlib import Path
from typing import Any

from fuzz import content, hdf5_checksum, hdf5_parts, json_text, safetensors_parts, seeds, sketch_parts, toml_text
from fuzz.case import Reader
from fuzz.foreign_files import FOREIGN_READERS
from fuzz.port_files import PORT_READERS
from fuzz.record_files import RECORD_READERS
from fuzz.sayings import same_document
from parity.cli import main as parity_main
from parity.forecast.local_file import read_local_errors
from parity.judge import Budgets
from parity.metrics import codec
from parity.report import read_report, to_document
from parity.run.statistics import read_statistics
from parity.sketch.file import read_sketch
from parity.store import Dump
from parity.taps import Catalogue
from parity.taps.catalogue import Item
from reference_dumps.lock import read_lock

# Flags and turns that let the catalogues of `seeds.catalogues` be laid out.
_FLAG_SETS = (frozenset[str](), frozenset({"r1_0_0", "encoder", "features", "single", "video", "compressed"}))
_TURNS = {
    word: [Item({word: str(n), "nn": f"{n:02d}", "s": "video", "layer": str(n)}) for n in range(2)]
    for word in ("block", "gemma", "prompt", "before", "after")
}


def _dump(path: Path) -> Any:
    with Dump.open(path) as dump:
        dump.verify()
        entries = [(name, dump.entry(name)) for name in dump.names]
        return dump.manifest.to_json(), [(n, str(e.dtype), e.shape, e.sha256) for n, e in entries]


def _sketch(path: Path) -> Any:
    found = read_sketch(path)
    rows = [(str(r.dtype), r.shape, r.digest, r.scale, r.norm, r.largest, r.nonfinite) for r in found.rows]
    arrays = [(r.buckets, r.exponents, r.positions, r.channels, r.elements) for r in found.rows]
    raw = [tuple(array.tobytes() for array in of_row) for of_row in arrays]
    return found.manifest.to_json(), found.recipe, found.sums, found.patterns, dict(found.taps), rows, raw


def _dump_says(raw: bytes, found: Any) -> bool:
    if raw[:1] == b"\x89":
        # Its layout has no second reader here: manifest and index are covered by the seal.
        return True
    header, _ = safetensors_parts.split(raw)
    return same_document(json.loads(header)["__metadata__"]["manifest"], found[0])


def _statistics(path: Path) -> Any:
    found = read_statistics(path)
    taps = {name: codec.encode(tap) for name, tap in found.taps.items()}
    return {"manifest": found.manifest.to_json(), "taps": taps}


def _statistics_say(raw: bytes, found: Any) -> bool:
    document = json_text.parsed(raw.decode())
    return same_document(raw.decode(), {**found, "schema": dict(document).get("schema")}, ("digest",))


def _catalogue(path: Path) -> Any:
    catalogue = Catalogue.load(path)
    return [catalogue.expand("pass", flags, _TURNS) for flags in _FLAG_SETS]


def _budgets(path: Path) -> Any:
    found = Budgets.load(path, "lora.")
    return found.rows


def _budgets_say(raw: bytes, rows: Any) -> bool:
    import tomllib

    document = tomllib.loads(raw.decode())
    written = document.get("budget", [])
    return len(written) == len(rows) and all(
        (row["suite"], row["rule"], row["reason"], tuple(row.get("modes", ())), tuple(row.get("dtypes", ())))
        == (found.suite, found.rule.value, found.reason, found.modes, found.dtypes)
        and all(vars(found.allowances[gate]) == row[gate] for gate in ("relative_l2", "max_abs") if gate in row)
        and all(type(text) is str for text in (found.suite, found.reason))
        for row, found in zip(written, rows, strict=True)
    )


def _local_errors_say(raw: bytes, found: Any) -> bool:
    document = json_text.parsed(raw.decode())
    numbers = all(type(value) in (int, float) for _, value in document)
    # The same numbers, as near as float64 has them.
    return numbers and sorted((key, float(value)) for key, value in document) == sorted(found.items())


_JSON = (json_text.mutation,) * 6 + content.ANY_BYTES[::2]
_TOML = (toml_text.mutation,) * 10 + content.ANY_BYTES[::2]
_SAFETENSORS = (safetensors_parts.header, safetensors_parts.shuffled, safetensors_parts.nested, safetensors_parts.data)

_ENGINE = (
    Reader(
        "dump.h5",
        seeds.hdf5,
        (*hdf5_parts.structure, *(hdf5_checksum.covered,) * 6, *content.ANY_BYTES),
        _dump,
        _dump_says,
        sealed=True,
        forgeries=(hdf5_parts.forged,),
        command=lambda path: (parity_main, ["show", str(path), "--verify", "--json"]),
    ),
    Reader(
        "dump.safetensors",
        seeds.safetensors,
        (*_SAFETENSORS, *content.ANY_BYTES),
        _dump,
        _dump_says,
        sealed=True,
        forgeries=(safetensors_parts.forged,) * 3,
        command=lambda path: (parity_main, ["show", str(path), "--verify", "--json"]),
    ),
    Reader(
        "a.sketch.safetensors",
        seeds.sketches,
        (*_SAFETENSORS, *content.ANY_BYTES),
        _sketch,
        _dump_says,
        sealed=True,
        forgeries=(*(safetensors_parts.forged,) * 3, *(sketch_parts.forged,) * 6),
        command=lambda path: (parity_main, ["show", str(path), "--json"]),
    ),
    Reader(
        "statistics.json",
        seeds.statistics,
        _JSON,
        _statistics,
        _statistics_say,
        sealed=True,
        forgeries=(json_text.forged,) * 6,
    ),
    Reader(
        "run.json",
        seeds.runs,
        _JSON,
        lambda path: to_document(read_report(path)),
        lambda raw, found: same_document(raw.decode(), found, ("digest",)),
        sealed=True,
        forgeries=(json_text.forged,) * 6,
        command=lambda path: (parity_main, ["report", str(path)]),
    ),
    Reader("taps.toml", seeds.catalogues, _TOML, _catalogue, lambda raw, found: True),
    Reader("budgets.toml", seeds.budgets, _TOML, _budgets, _budgets_say),
    Reader(
        "LOCK.json",
        seeds.locks,
        _JSON,
        lambda path: read_lock(path.parent),
        lambda raw, found: same_document(raw.decode(), {"schema": "ltx-parity/recorded/1", "sha256": found}),
    ),
    Reader(
        "local.json",
        seeds.local_errors,
        _JSON,
        read_local_errors,
        _local_errors_say,
    ),
)
READERS = {reader.name: reader for reader in (*_ENGINE, *RECORD_READERS, *FOREIGN_READERS, *PORT_READERS)}
