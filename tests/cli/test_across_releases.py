"""Two dumps of different releases: refused unasked, naming both; asked for, judged where both show the same tap."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from parity.cli import main
from parity.store import Dump, DumpWriter

PASS = "transformer.pass_cond"
TAPS = f"{PASS}.video.x0,{PASS}.*.av_scale_shift_adaln.*,{PASS}.block00.video.self_attn.*,{PASS}.*.av_gate_adaln.*"
Edit = Callable[[dict[str, Tensor]], None]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The port under either release."""
    folder = tmp_path_factory.mktemp("releases")
    for release in ("1.0.0", "1.2.0"):
        capture = ["capture", str(folder / f"{release}.h5"), "--case", "small", "--side", "port", "--quiet"]
        assert main([*capture, "--dtype", "float32", "--release", release, "--taps", TAPS]) == 0
    return folder / "1.0.0.h5", folder / "1.2.0.h5"


def edited(source: Path, target: Path, edit: Edit, **manifest: object) -> Path:
    """Write a dump again with its tensors or its manifest changed."""
    with Dump.open(source) as dump:
        tensors, told = {name: dump.read(name) for name in dump.names}, dump.manifest
    edit(tensors)
    with DumpWriter(target) as writer:
        writer.set_manifest(replace(told, **manifest))  # type: ignore[arg-type]
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    return target


def compared(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    code = main(["compare", *arguments, "--across-releases", "--json", "--quiet"])
    return code, json.loads(capsys.readouterr().out)


def test_dumps_of_two_releases_are_refused_naming_both(
    dumps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, dumps), "--quiet"]) == 3
    refusal = capsys.readouterr().err
    assert "release: 1.2.0 != 1.0.0" in refusal
    assert "--across-releases" in refusal
    assert refusal.count("\n") == 1


def test_asked_for_they_are_judged_and_both_are_named(
    dumps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = compared([*map(str, dumps)], capsys)
    assert code == 1, "the releases differ in x0"
    assert document["provenance"]["release"] == "candidate 1.2.0, reference 1.0.0"  # type: ignore[index]
    assert document["outcome"]["identical"] > 20  # type: ignore[index]


def test_what_the_releases_shape_otherwise_is_never_passed(
    dumps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, dumps), "--across-releases", "--quiet"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "av_scale_shift_adaln.timestep: candidate's shape (8,); expected the reference's (1,)" in shown
    assert "the releases shape it otherwise" in shown


def test_what_one_release_alone_shows_is_counted_and_not_missed(
    dumps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def alike(tensors: dict[str, Tensor]) -> None:
        for name in [name for name in tensors if "self_attn" not in name]:
            del tensors[name]

    reference = edited(dumps[0], tmp_path / "reference.h5", alike)
    candidate = edited(dumps[1], tmp_path / "candidate.h5", lambda tensors: (alike(tensors), tensors.popitem())[0])
    code, document = compared([str(reference), str(candidate), "--suite", "exact"], capsys)
    assert code == 0, document
    assert document["provenance"]["taps_of_one_release"] == "0 in the candidate, 1 in the reference: not compared"  # type: ignore[index]


def test_nothing_in_common_is_incomplete(
    dumps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def x0_only(tensors: dict[str, Tensor]) -> None:
        for name in [name for name in tensors if not name.endswith("x0")]:
            del tensors[name]

    def without_x0(tensors: dict[str, Tensor]) -> None:
        del tensors[f"{PASS}.video.x0"]

    reference = edited(dumps[0], tmp_path / "reference.h5", x0_only)
    candidate = edited(dumps[1], tmp_path / "candidate.h5", without_x0)
    assert compared([str(reference), str(candidate)], capsys)[0] == 3


def test_of_one_release_nothing_is_let_through(
    dumps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = edited(dumps[0], tmp_path / "stale.h5", lambda _: None, input_sha256={})
    assert main(["compare", str(dumps[0]), str(stale), "--across-releases", "--quiet"]) == 3
    assert "input_sha256" in capsys.readouterr().err
    fewer = edited(dumps[0], tmp_path / "fewer.h5", lambda tensors: tensors.popitem() and None)
    assert main(["compare", str(dumps[0]), str(fewer), "--across-releases", "--quiet"]) == 3


@pytest.mark.parametrize(
    ("manifest", "told"), [({"case": "masks"}, "case"), ({"checkpoint_sha256": "0" * 64}, "check")]
)
def test_across_releases_case_and_weights_must_still_agree(
    dumps: tuple[Path, Path],
    tmp_path: Path,
    manifest: dict[str, object],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = edited(dumps[1], tmp_path / "other.h5", lambda _: None, **manifest)
    assert main(["compare", str(dumps[0]), str(other), "--across-releases", "--quiet"]) == 3
    assert f"manifest: {told}" in capsys.readouterr().err


def test_the_live_port_follows_the_release_of_the_dump(
    dumps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(dumps[0]), "--live", "--across-releases", "--quiet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
