"""`ltx-parity capture --statistics`: figures of every tap in a strict document, and no tensors."""

import json
from pathlib import Path

import pytest
import torch

from parity.cli import main
from parity.errors import BadInputError
from parity.metrics import Fingerprints
from parity.run.statistics import Statistics, read_statistics, write_statistics

CAPTURE = ["--case", "small", "--dtype", "float32", "--statistics", "--quiet"]
X0 = "transformer.pass_cond.video.x0"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("statistics") / "port.json"
    assert main(["capture", str(path), *CAPTURE, "--side", "port"]) == 0
    return path


def test_the_document_has_every_tap_and_says_where_it_comes_from(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_statistics(document)
    assert main(["show", "--taps", "small", "--json"]) == 0
    assert set(found.taps) == set(json.loads(capsys.readouterr().out))
    told = found.manifest
    assert (told.producer, told.case, told.dtype, told.tap_count) == ("port", "small", "float32", len(found.taps))
    assert told.extra["engine"].startswith(("numba ", "torch "))
    assert document.stat().st_size < 1000 * len(found.taps)


@pytest.mark.reference
def test_port_and_official_code_have_the_same_statistics(document: Path, tmp_path: Path) -> None:
    path = tmp_path / "official.json"
    assert main(["capture", str(path), *CAPTURE, "--side", "official"]) == 0
    ours, theirs = read_statistics(document), read_statistics(path)
    assert theirs.manifest.producer == "official"
    assert ours.taps == theirs.taps


def test_the_figures_are_those_of_the_tensors_of_a_dump(document: Path, tmp_path: Path) -> None:
    from parity.store import Dump

    dump = tmp_path / "port.h5"
    command = ["capture", str(dump), "--case", "small", "--dtype", "float32", "--side", "port", "--quiet"]
    assert main([*command, "--taps", "transformer.pass_cond.*"]) == 0
    found = read_statistics(document).taps
    with Dump.open(dump) as opened:
        for name in opened.names:
            tensor, figures = opened.read(name), found[name]
            assert (figures.shape, figures.elements) == (tuple(tensor.shape), tensor.numel())
            assert figures.l2 == pytest.approx(float(tensor.double().norm()), rel=1e-12)
            assert (figures.least, figures.most) == (float(tensor.min()), float(tensor.max()))


def test_taps_and_tokens_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    chosen = ["--taps", "transformer.pass_cond.video.*", "--max-tokens", "2"]
    assert main(["capture", str(path), *CAPTURE, "--side", "port", *chosen]) == 0
    found = read_statistics(path)
    assert all(name.startswith("transformer.pass_cond.video.") for name in found.taps)
    assert found.taps[X0].shape[1] == 2
    assert X0 in {tap.name for tap in found.manifest.dropped}


@pytest.mark.parametrize(
    ("name", "extra", "part"),
    [("a.h5", [], ".json for statistics"), ("a.json", ["--max-bytes", "1M"], "--max-bytes with --statistics"),
     ("no/a.json", [], "a.json"), ("a.json", ["--taps", "absent"], "matches none")],
)  # fmt: skip
def test_a_capture_that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, extra: list[str], part: str
) -> None:
    assert main(["capture", str(tmp_path / name), *CAPTURE, "--side", "port", *extra]) == 2
    text = capsys.readouterr().err
    assert part in text
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_document_that_cannot_be_finished_leaves_what_was_there(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BadInputError, match="No space left"):
        write_statistics(read_statistics(document), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.pop("taps"),
        lambda d: d.update(schema="ltx-parity/statistics/1"),
        lambda d: d.update(more=1),
        lambda d: d["taps"].pop(X0),
        lambda d: d["taps"][X0].pop("l2"),
        lambda d: d["taps"][X0].update(elements=1),
        lambda d: d["taps"][X0].update(l1="much"),
        lambda d: d["manifest"].pop("case"),
        lambda d: d.update(taps=[]),
    ],
)
def test_another_document_is_refused_in_one_line(document: Path, tmp_path: Path, edit) -> None:
    value = json.loads(document.read_text(encoding="utf-8"))
    edit(value)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(BadInputError) as caught:
        read_statistics(path)
    assert "\n" not in str(caught.value)


def test_a_document_cut_short_is_refused(document: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_bytes(document.read_bytes()[:-100])
    with pytest.raises(BadInputError):
        read_statistics(path)


def test_a_document_survives_the_disk(document: Path, tmp_path: Path) -> None:
    book = Fingerprints()
    book.add("nan", torch.tensor([float("nan"), float("-inf")]))
    book.add("huge", torch.tensor([1e300], dtype=torch.float64))
    manifest = read_statistics(document).manifest
    told = type(manifest).from_json(manifest.to_json() | {"tap_count": 2})
    path = tmp_path / "odd.json"
    write_statistics(Statistics(told, book.finish()), path)
    assert repr(read_statistics(path)) == repr(Statistics(told, book.finish()))
