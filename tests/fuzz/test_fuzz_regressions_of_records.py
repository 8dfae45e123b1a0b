"""What fuzzing found in the files that the harness keeps for itself, and in those that foreign ports write."""

import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz import foreign_seeds, seeds
from fuzz.json_text import forged
from fuzz.record_files import _campaign, _measured
from safetensors import safe_open
from safetensors.torch import save_file

from parity.calibrate.bands_file import read_bands
from parity.calibrate.journal import Journal
from parity.calibrate.ratchet import read_lock
from parity.errors import BadInputError
from parity.foreign.files import ForeignFile
from parity.foreign.inputs_manifest import InputsManifest
from parity.foreign.mapping import TapMapping
from parity.history.shelf import open_run
from parity.report import read_report
from parity.run.statistics import read_statistics
from parity.store import seal
from reference_dumps.official.installed import _release_in


def refused(read: Callable[[Path], object], path: Path, part: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        read(path)
    text = str(refusal.value)
    assert part in text
    assert text.isprintable()
    assert len(text) < 2500


Change = Callable[[Any], object]


def changed(path: Path, change: Change, anew: bool = True) -> Path:
    """Change a JSON document, and compute its digest anew."""
    packed = path.suffix == ".gz"
    raw = path.read_bytes()
    document = json.loads(gzip.decompress(raw) if packed else raw)
    change(document)
    if anew and seal.KEY in document:
        document |= seal.sealed(document, "")
    text = json.dumps(document).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    return path


SEALED: dict[str, tuple[Callable[[Path], list[Path]], Callable[[Path], object], Change]] = {
    "run": (seeds.runs, read_report, lambda d: d["provenance"].update(engine="other")),
    "statistics": (seeds.statistics, read_statistics, lambda d: d["manifest"].update(seed=8)),
    "brief": (seeds.briefs, open_run, lambda d: d["passes"][0][4][0].__setitem__(3, 0.5)),
    "bands": (seeds.bands, read_bands, lambda d: d["ratios"]["bfloat16"][0][0].__setitem__(0, 9.0)),
}


@pytest.mark.parametrize("kind", SEALED)
def test_a_figure_that_contradicts_nothing_is_not_changed_unseen(tmp_path: Path, kind: str) -> None:
    write, read, change = SEALED[kind]
    path = write(tmp_path)[0]
    read(path)
    refused(read, changed(path, change, anew=False), "edited since it was written")


@pytest.mark.parametrize("kind", SEALED)
def test_a_document_without_a_digest_is_refused(tmp_path: Path, kind: str) -> None:
    write, read, _ = SEALED[kind]
    path = changed(write(tmp_path)[0], lambda document: document.pop(seal.KEY))
    refused(read, path, "")


@pytest.mark.parametrize("kind", SEALED)
def test_a_digest_is_no_signature_and_white_space_is_not_under_it(tmp_path: Path, kind: str) -> None:
    write, read, change = SEALED[kind]
    path = write(tmp_path)[0]
    before = read(path)
    assert read(changed(path, lambda _: None)) == before
    assert read(changed(path, change)) != before


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda d: d["layout"]["quantiles"][2].__setitem__(0, True), "layout"),
        (lambda d: d["provenance"].update(torch=2), "where a text belongs"),
        (lambda d: d.update(stage=["toy"]), "where a text belongs"),
        (lambda d: d["cells"].append([0, 1, 0, 1, 1, 1]), "unused"),
        (lambda d: d["cells"].append(d["cells"][0]), "twice"),
        (lambda d: d["ratios"]["bfloat16"][0][0].__setitem__(0, "1.5"), "two digits"),
        (lambda d: d["ratios"]["bfloat16"][0][0].__setitem__(0, 1.255), "two digits"),
        (lambda d: d["ratios"]["bfloat16"][0].append([1, 1, 1, 1]), "zip()"),
        (lambda d: d["cells"][0].__setitem__(0, -(10**9)), "number"),
        (lambda d: d["cells"][0].__setitem__(0, 10**400), "number"),
    ],
)
def test_bands_that_no_writer_wrote(tmp_path: Path, change: Change, part: str) -> None:
    refused(read_bands, changed(seeds.bands(tmp_path)[0], change), part)


@pytest.mark.parametrize("table", ["taps", "modes", "passes"])
def test_a_brief_with_a_table_that_is_not_its_readings(tmp_path: Path, table: str) -> None:
    path = changed(seeds.briefs(tmp_path)[0], lambda brief: brief[table].append(brief[table][0]))
    refused(open_run, path, "twice")
    more = ["suite", "case", "dtype", "forward", []] if table == "passes" else "more"
    (tmp_path / "other").mkdir()
    path = changed(seeds.briefs(tmp_path / "other")[0], lambda brief: brief[table].append(more))
    refused(open_run, path, f".{table}: entries twice, unused")


@pytest.mark.parametrize(
    "row",
    [
        ["{}", "peer", {}, "why"],
        ["x", "peer", {}, "why"],
        ['{"stage": 3}', "peer", {}, "why"],
        ['{"stage": "x"}', "peer", {}, 3],
        ['{"stage": "x"}', "peer", {"max_abs": [10**400, 0, 0]}, "why"],
        ['{"stage": "x"}', "peer", {"max_abs": ["1", 0, 0]}, "why"],
        ['{"stage": "x"}', "peer", {"max_abs": [True, 0, 0]}, "why"],
        ['{"stage": "x"}', "peer", {"max_abs": [2**63 - 1, 0, 0]}, "why"],
        ['{"stage":  "x"}', "peer", {}, "why"],
    ],
)
def test_a_lock_of_budgets_with_a_row_that_is_none(tmp_path: Path, row: list[Any]) -> None:
    (path,) = seeds.budget_locks(tmp_path)
    refused(read_lock, changed(path, lambda lock: lock["rows"].append(row)), "malformed")


def test_a_lock_of_budgets_whose_rows_are_no_list(tmp_path: Path) -> None:
    (path,) = seeds.budget_locks(tmp_path)
    refused(read_lock, changed(path, lambda lock: lock.update(rows={})), "malformed")


def test_a_figure_that_float64_does_not_have(tmp_path: Path) -> None:
    path = changed(seeds.briefs(tmp_path)[0], lambda brief: brief["passes"][0][4][0].__setitem__(4, 2**63 - 1))
    refused(open_run, path, "9223372036854775807")


@pytest.mark.parametrize("value", [2**63 - 1, 10**400])
def test_a_statistic_that_float64_does_not_have(tmp_path: Path, value: int) -> None:
    path = changed(seeds.statistics(tmp_path)[0], lambda d: _first(d["taps"])["moments"].__setitem__(0, value))
    refused(read_statistics, path, "expected float")


def _first(table: Any) -> Any:
    return next(iter(table.values()))


@pytest.mark.parametrize("digits", ["1e999", "-1e999"])
def test_an_input_beyond_float64(tmp_path: Path, digits: str) -> None:
    (path,) = foreign_seeds.inputs_manifests(tmp_path)
    path.write_text(path.read_text().replace("0.5", digits))
    refused(lambda found: InputsManifest.read(found.parent), path, f"{digits} is beyond float64")


def test_a_campaign_that_tells_of_a_fault_twice(tmp_path: Path) -> None:
    (path,) = seeds.campaigns(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    refused(_campaign, path, "fault 'A1' twice")


def test_a_measured_run_whose_readings_were_changed(tmp_path: Path) -> None:
    (path,) = seeds.measured_runs(tmp_path)
    _measured(path)
    with safe_open(path, framework="pt") as file:
        tensors, told = {name: file.get_tensor(name) for name in ("readings", "floors")}, file.metadata()
    tensors["readings"][0] *= 2
    save_file(tensors, path, told)
    refused(_measured, path, "edited since it was written")
    save_file(tensors, path, {key: value for key, value in told.items() if key != seal.KEY})
    assert not Journal(tmp_path).has(seeds.MEASURED_KEY, seeds.MEASURED_NAMES)


@pytest.mark.parametrize(
    "header",
    [
        "(",
        "[" * 9000,
        "-" * 9000,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 12)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-12,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (13,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (11,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (6,)}",
    ],
)
def test_an_array_whose_header_is_none_or_lies(tmp_path: Path, header: str) -> None:
    path, _ = foreign_seeds.arrays(tmp_path)
    raw = path.read_bytes()
    data = raw[10 + int.from_bytes(raw[8:10], "little") :]
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data)
    refused(lambda found: ForeignFile.open(found.parent), path, "x.npy")


def test_a_source_tree_that_cannot_be_read_is_of_no_release(tmp_path: Path) -> None:
    (path,) = seeds.projects(tmp_path)
    assert _release_in(path, "ltx-core") == "1.2.0"
    for text in ("x = " + "[" * 5000 + "]" * 5000, "x = 1" + "0" * 5000, "project = 3", '[project]\nname = "ltx-core"'):
        path.write_text(text)
        assert _release_in(path, "ltx-core") is None


def test_a_few_letters_of_a_mapping_do_not_stand_for_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(last: int) -> Path:
        entry = '[[tap]]\ntap = "t{n}"\nfrom = "f{n}"\n'
        text = f"schema = 1\n[each]\nn = {{ first = 0, last = {last} }}\n{entry * 2}"
        (tmp_path / "map.toml").write_text(text)
        return tmp_path / "map.toml"

    refused(TapMapping.load, written(2**40), "whole numbers")
    refused(TapMapping.load, written(199_999 * 2), "whole numbers")
    monkeypatch.setattr("parity.foreign.mapping._MOST_ENTRIES", 100)
    assert len(TapMapping.load(written(49)).entries) == 100
    refused(TapMapping.load, written(50), "more than 100 taps in all")


def test_the_forger_of_the_fuzzer_computes_the_digest_that_readers_ask_for(tmp_path: Path) -> None:
    (path,) = seeds.statistics(tmp_path)
    raw, read = path.read_bytes(), 0
    for number in range(40):
        path.write_bytes(forged(Random(number), raw))
        with contextlib.suppress(BadInputError):
            read_statistics(path)
            read += path.read_bytes() != raw
    assert read > 0
