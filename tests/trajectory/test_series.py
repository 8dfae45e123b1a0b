"""Two dumps with taps of every step."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from parity.errors import BadInputError, IncompleteError
from parity.store import Dump, DumpWriter, Manifest
from parity.trajectory import StepTaps, Trajectory, compare_series

TAPS = StepTaps(states=("*.next",), guided="guided", conditioned="x0_cond")
MANIFEST = Manifest(
    producer="port", release="1.0.0", commit=None, case="loop", checkpoint_sha256="0" * 64,
    input_sha256={"x": hashlib.sha256(b"x").hexdigest()}, torch_version="2", device="cpu", determinism={}, seed=0,
    dtype="float32", command="test", created="2026-01-01T00:00:00+00:00", sizes={},
)  # fmt: skip


def tensors(scale: float = 1.0, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Three steps whose states are off by 1, 2 and 3 per cent times `scale`, guided twice as far off as conditioned."""
    x = torch.arange(1, 9, dtype=torch.float32)
    found = {}
    for step in range(3):
        for tap, error in (("x0_cond", 0.01), ("guided", 0.02), ("next", 0.01 * (step + 1)), ("velocity", 0.5)):
            found[f"denoise.run.step{step:02d}.video.{tap}"] = (x * (1 + error * scale)).to(dtype)
    return found


def dump(path: Path, found: Mapping[str, Tensor], **manifest: object) -> Path:
    with DumpWriter(path) as writer:
        writer.set_manifest(replace(MANIFEST, **manifest))  # type: ignore[arg-type]
        for name, tensor in found.items():
            writer.write(name, tensor)
    return path


def compared(folder: Path, candidate: Mapping[str, Tensor], **manifest: object) -> Trajectory:
    one, other = dump(folder / "a.h5", tensors(0.0)), dump(folder / "b.h5", candidate, **manifest)
    with Dump.open(one) as reference, Dump.open(other) as own:
        return compare_series(reference, own, TAPS)


def test_the_drift_of_each_step_is_told(tmp_path: Path) -> None:
    found = compared(tmp_path, tensors())
    assert [(one.step, one.tensor) for one in found.steps] == [(step, "denoise.run.video.next") for step in range(3)]
    assert [one.chained for one in found.steps] == pytest.approx([0.01, 0.02, 0.03], rel=1e-4)
    assert all(one.local is None and one.gain is None for one in found.steps), "dumps cannot be fed anew"
    assert found.final == pytest.approx({"denoise.run.video.next": 0.03}, rel=1e-4)
    assert found.suspects() == ()


def test_guidance_is_held_to_the_conditioned_pass(tmp_path: Path) -> None:
    assert [one.chained for one in compared(tmp_path, tensors()).guidance] == pytest.approx([2.0] * 3, rel=1e-3)


def test_guidance_of_no_error_is_not_told(tmp_path: Path) -> None:
    assert [one.chained for one in compared(tmp_path, tensors(0.0)).guidance] == [None] * 3


def test_the_dumps_may_differ_in_precision(tmp_path: Path) -> None:
    hashes = {"x": hashlib.sha256(b"x in bfloat16").hexdigest()}
    found = compared(tmp_path, tensors(0.0, torch.bfloat16), dtype="bfloat16", input_sha256=hashes)
    assert found.candidate == "port, bfloat16"
    assert found.final["denoise.run.video.next"] == 0, "whole numbers to 8 are exact in bfloat16"


@pytest.mark.parametrize(
    "manifest",
    [{"case": "other"}, {"release": "1.2.0"}, {"checkpoint_sha256": "1" * 64}, {"input_sha256": {}}],
    ids=["case", "release", "checkpoint", "inputs"],
)
def test_dumps_of_two_origins_are_refused(tmp_path: Path, manifest: dict[str, object]) -> None:
    with pytest.raises(IncompleteError, match="manifest"):
        compared(tmp_path, tensors(), **manifest)


def test_another_precision_excuses_nothing_but_the_inputs(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="manifest"):
        compared(tmp_path, tensors(), dtype="bfloat16", case="other")


def test_a_tap_that_one_side_lacks_is_incomplete(tmp_path: Path) -> None:
    found = tensors()
    del found["denoise.run.step01.video.next"]
    with pytest.raises(IncompleteError, match=r"step01.video.next: only in the reference"):
        compared(tmp_path, found)


def test_a_shape_that_differs_is_incomplete(tmp_path: Path) -> None:
    found = tensors()
    found["denoise.run.step01.video.next"] = torch.ones(3)
    with pytest.raises(IncompleteError, match="shape"):
        compared(tmp_path, found)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_is_incomplete(tmp_path: Path, value: float) -> None:
    found = tensors()
    found["denoise.run.step01.video.next"][2] = value
    with pytest.raises(IncompleteError, match="not finite"):
        compared(tmp_path, found)


def test_dumps_without_steps_are_refused(tmp_path: Path) -> None:
    paths = [dump(tmp_path / f"{name}.h5", {"transformer.x0": torch.ones(2)}) for name in "ab"]
    with (
        Dump.open(paths[0]) as one,
        Dump.open(paths[1]) as other,
        pytest.raises(BadInputError, match="no tap of a step"),
    ):
        compare_series(one, other, TAPS)
