"""What fuzzing found, each as the smallest input that showed it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from fuzz import port_files, seeds
from fuzz.safetensors_parts import joined, split
from safetensors.torch import save_file

from ltx_port.checkpoint.config import parse_config
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import build_transformer
from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.errors import InputError
from ltx_port.release import RELEASE_1_2_0
from ltx_port.text.gemma import load_gemma
from ltx_port.text.tokenizer import load_tokenizer
from parity.blame.operations import Operations
from parity.errors import BadInputError, IncompleteError, told
from parity.forecast.local_file import read_local_errors
from parity.foreign.mapping import TapMapping
from parity.judge import Budgets
from parity.ltx23.configs import config_text
from parity.report import read_report
from parity.run.statistics import read_statistics
from parity.store import Dump
from parity.taps import Catalogue
from reference_dumps.lock import LOCK_NAME, SCHEMA, locked, read_lock

CPU = torch.device("cpu")


def refused(read: Callable[[Path], object], path: Path, part: str) -> None:
    with pytest.raises((BadInputError, InputError)) as refusal:
        read(path)
    text = str(refusal.value)
    assert part in text
    assert text.isprintable()
    assert len(text) < 2500


def edited(path: Path, change: Callable[[Any], object]) -> Path:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


DEEP = "x = " + "[" * 5000 + "]" * 5000


@pytest.mark.parametrize("read", [Budgets.load, Catalogue.load, Operations.load, TapMapping.load])
@pytest.mark.parametrize("text", [DEEP, "x = 1" + "0" * 5000])
def test_toml_that_python_cannot_follow(tmp_path: Path, read: Callable[[Path], object], text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    refused(read, tmp_path / "x.toml", "expected a")


@pytest.mark.parametrize("key", ["suite", "reason"])
@pytest.mark.parametrize("value", ["{}", "-inf", '["exact"]'])
def test_a_budget_whose_words_are_no_text(tmp_path: Path, key: str, value: str) -> None:
    row = {"suite": '"exact"', "rule": '"bit-identical"', "taps": '["*"]', "reason": '"why"', key: value}
    lines = "\n".join(f"{name} = {text}" for name, text in row.items())
    (tmp_path / "x.toml").write_text(f"schema = 1\n[[budget]]\n{lines}\n")
    refused(Budgets.load, tmp_path / "x.toml", f"{key} = ")


def test_a_catalogue_whose_template_is_a_list(tmp_path: Path) -> None:
    (path,) = [path for path in seeds.catalogues(tmp_path) if path.name.startswith("transformer")]
    text = path.read_text()
    assert 'template = "' in text
    path.write_text(text.replace('template = "', 'template = ["x"] # "', 1))
    refused(Catalogue.load, path, "template ['x']")


HASH = "0" * 64


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (f'{{"schema": "{SCHEMA}", "sha256": {{}}, "sha256": {{}}}}', "twice"),
        (f'{{"schema": "{SCHEMA}", "sha256": {{"x.h5": "{HASH}", "x.h5": "{HASH}"}}}}', "twice"),
        (f'{{"schema": "{SCHEMA}", "sha256": {{}}, "more": 1}}', "another schema"),
        (f'{{"schema": "{SCHEMA}", "sha256": {{"x.h5": ""}}}}', "has a SHA-256"),
        (f'{{"schema": "{SCHEMA}", "sha256": {{"../x.h5": "{HASH}"}}}}', "a name below the folder"),
        (f'{{"schema": "{SCHEMA}", "sha256": {{"a/../../x.h5": "{HASH}"}}}}', "a name below the folder"),
        (f'{{"schema": "{SCHEMA}", "sha256": {{"/etc/passwd": "{HASH}"}}}}', "a name below the folder"),
    ],
)
def test_a_lock_file_that_says_something_twice_or_names_what_is_elsewhere(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / LOCK_NAME).write_text(text)
    refused(lambda path: read_lock(path.parent), tmp_path / LOCK_NAME, part)


def test_a_recording_that_is_a_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    folder.mkdir()
    seeds.locks(folder)
    assert locked(folder, "x.h5") == folder / "x.h5"
    (folder / "x.h5").rename(tmp_path / "x.h5")
    (folder / "x.h5").symlink_to(tmp_path / "x.h5")
    with pytest.raises(IncompleteError, match="a link out of the folder"):
        locked(folder, "x.h5")


@pytest.mark.parametrize("value", ["1" + "0" * 400, "1e999", "-1", "NaN", "true", "1e300", '"1"', "[" * 100_000])
def test_a_local_error_that_is_no_error(tmp_path: Path, value: str) -> None:
    (tmp_path / "x.json").write_text(f'{{"move": {value}}}')
    refused(read_local_errors, tmp_path / "x.json", "expected")


def test_a_refusal_is_one_line_that_prints_whatever_is_in_it() -> None:
    for error in (BadInputError, InputError):
        text = str(error("a\nb", "\x1b[31m\u2028" + "x" * 70_000, "\0", "c"))
        assert text.isprintable()
        assert len(text) < 700
    assert told("plain \N{SNOWMAN}") == "plain \N{SNOWMAN}"


def test_a_safetensors_header_with_a_tensor_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(2)}, path)
    header, data = split(path.read_bytes())
    entry = json.dumps(json.loads(header)["a"])
    path.write_bytes(joined(f'{{"a": {entry}, "a": {entry}}}', data))
    refused(TensorFile.open, path, "'a' is given twice")


@pytest.mark.parametrize("value", [10**9, 2**40])
@pytest.mark.parametrize("key", ["num_layers", "connector_num_layers"])
def test_more_layers_than_can_be_built(key: str, value: int) -> None:
    document = json.loads(config_text("tiny"))
    document["transformer"][key] = value
    with pytest.raises(InputError, match=f"transformer.{key} is {value}; expected less than or equal to 512"):
        parse_config(json.dumps(document), "config")


def test_sizes_that_no_tensor_can_have(tmp_path: Path) -> None:
    document = json.loads(config_text("tiny"))
    document["transformer"]["caption_channels"] = 2**62
    document["transformer"] |= {"num_attention_heads": 2**31, "audio_num_attention_heads": 2**31}
    part = document["transformer"]
    part["connector_num_attention_heads"] = part["audio_connector_num_attention_heads"] = 2**31
    config = CheckpointFile.open(seeds.checkpoints(tmp_path)[0]).config.transformer
    huge = config.model_copy(update={"num_attention_heads": 2**40, "attention_head_dim": 2**20})
    refused(lambda _: build_transformer(huge), tmp_path, "transformer: config: cannot be built")


def dump_with(path: Path, change: Callable[[Any], object]) -> Path:
    seeds.dump(path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def _first_blob(file: Any) -> Any:
    return next(found for name, found in sorted(file["blobs"].items()) if found.size > 1)


def _rechunked(file: Any) -> None:
    old = _first_blob(file)
    name, data, marks = old.name, old[...], dict(old.attrs)
    del file[name]
    fresh = file.create_dataset(name, data=data, chunks=(2**26,), maxshape=(None,), compression="gzip")
    for key, value in marks.items():
        fresh.attrs[key] = value


def _compressed(file: Any) -> None:
    content = file["manifest"][...]
    del file["manifest"]
    file.create_dataset("manifest", data=content, compression="gzip")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (_rechunked, "has chunks of"),
        (_compressed, "uses the filters [1]"),
        (lambda file: file.attrs.create("more", file.ref, dtype=h5py.ref_dtype), "the unknown attribute 'more'"),
        (
            lambda file: _first_blob(file).attrs.create("r", file["names"].regionref[:1], dtype=h5py.regionref_dtype),
            "the unknown attribute 'r'",
        ),
        (lambda file: file["manifest"].attrs.create("x", 1), "the unknown attribute 'x'"),
        (lambda file: file["blobs"].attrs.create("x", 1), "the unknown attribute 'x'"),
    ],
)
def test_hdf5_that_would_take_memory_or_refers_to_something(
    tmp_path: Path, change: Callable[[Any], object], part: str
) -> None:
    refused(Dump.open, dump_with(tmp_path / "x.h5", change), part)


def test_hdf5_of_a_generation_without_checksums_and_hdf5_behind_something_else(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.h5", "w", libver="earliest") as file:
        file.create_dataset("names", data=np.zeros(3))
    refused(Dump.open, tmp_path / "old.h5", "generation")
    whole = seeds.dump(tmp_path / "x.h5").read_bytes()
    (tmp_path / "behind.h5").write_bytes(b"\0" * 512 + whole)
    refused(Dump.open, tmp_path / "behind.h5", "generation")


def test_statistics_with_a_number_written_otherwise(tmp_path: Path) -> None:
    (path,) = seeds.statistics(tmp_path)

    def change(document: Any) -> None:
        sizes = _first(document["taps"])["sizes"]
        sizes[f" {next(iter(sizes))}"] = sizes.pop(next(iter(sizes)))

    refused(read_statistics, edited(path, change), "float keys")


def _first(table: Any) -> Any:
    return next(iter(table.values()))


@pytest.mark.parametrize("key", ["modes", "taps", "groups", "subjects"])
def test_a_run_with_an_entry_twice(tmp_path: Path, key: str) -> None:
    path = seeds.runs(tmp_path)[0]
    refused(read_report, edited(path, lambda run: run[key].append(run[key][0])), f".{key}: entries twice")


def test_a_run_with_a_whole_number_that_no_float64_is(tmp_path: Path) -> None:
    path = seeds.runs(tmp_path)[0]

    def change(run: Any) -> None:
        row = run["cases"][0]["forwards"][0]["results"][0]
        row[run["layout"]["measured"].index("bias")] = 2**63 - 1

    refused(read_report, edited(path, change), "a number")


def test_a_run_with_a_map_whose_heads_lie_on_an_axis_between_two(tmp_path: Path) -> None:
    path = seeds.runs(tmp_path)[0]

    def change(run: Any) -> None:
        (row,) = run["cases"][0]["forwards"][0]["mapped"][:1]
        row[run["layout"]["mapped"].index("heads")][0] += 0.0

    refused(read_report, edited(path, change), "heads")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "["),
        ("config.json", '{"model_type": "gemma3", "model_type": "gemma3"}'),
        ("config.json", '{"model_type": "gemma3", "text_config": 3}'),
        ("tokenizer.json", "{}"),
        ("tokenizer.json", "\ufeff{"),
        ("tokenizer_config.json", "[" * 100_000),
        ("tokenizer_config.json", '{"bos_token": true}'),
    ],
)
def test_a_gemma_root_that_its_libraries_cannot_read(tmp_path: Path, name: str, text: str) -> None:
    (path,) = seeds.gemma(tmp_path, name)
    path.write_text(text)
    read = port_files._gemma if name == "config.json" else port_files._tokenizer
    refused(read, path, name.partition("_")[0].partition(".")[0])


def test_a_gemma_config_that_asks_for_more_layers_than_there_are(tmp_path: Path) -> None:
    (path,) = seeds.gemma(tmp_path, "config.json")
    edited(path, lambda config: config["text_config"].update(num_hidden_layers=10**9))
    refused(lambda found: load_gemma(found.parent, CPU, torch.float32), path, "as the weights have")


def test_a_tokenizer_that_fails_only_when_text_comes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (path,) = seeds.gemma(tmp_path, "tokenizer.json")
    edited(path, lambda found: found["post_processor"].update(special_tokens={}))
    refused(lambda found: load_tokenizer(found.parent, RELEASE_1_2_0, 16), path, "tokenizer.json")


def test_a_tokenizer_that_fails_only_when_certain_text_comes(tmp_path: Path) -> None:
    (path,) = seeds.gemma(tmp_path, "tokenizer.json")
    edited(path, lambda found: [found["model"]["vocab"].pop(key) for key in ("<0xE2>", "<unk>")])
    tokenizer = load_tokenizer(path.parent, RELEASE_1_2_0, 16)
    refused(lambda _: tokenizer(["\N{SNOWMAN}"], CPU), path, "Unk token")


def test_a_tokenizer_that_makes_more_of_a_prompt_than_it_is_told_to(tmp_path: Path) -> None:
    (path,) = seeds.gemma(tmp_path, "tokenizer.json")

    def twice(found: Any) -> None:
        single = found["post_processor"]["single"]
        single.append(single[-1])

    edited(path, twice)
    tokenizer = load_tokenizer(path.parent, RELEASE_1_2_0, 16)
    refused(lambda _: tokenizer(["a, " * 40], CPU), path, "tokens of a prompt that is to be cut")


def test_code_that_a_gemma_root_brings_along_is_not_run(tmp_path: Path) -> None:
    (path,) = seeds.gemma(tmp_path, "tokenizer_config.json")
    (path.parent / "evil.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\nclass Evil: pass\n")
    edited(path, lambda found: found.update(tokenizer_class="Evil", auto_map={"AutoTokenizer": ["evil.Evil", None]}))
    load_tokenizer(path.parent, RELEASE_1_2_0, 16)
    assert not (tmp_path / "was-run").exists()
