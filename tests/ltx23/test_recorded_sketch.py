"""The sketch of the official guided step at full size: of the weights and inputs that the case has today."""

from fnmatch import fnmatchcase

import pytest
import torch

from parity.ltx23.binding import RECORDINGS
from parity.ltx23.recording import manifest
from parity.ltx23.stages import Choice, chosen_cases
from parity.ltx23.world import World
from parity.sketch.file import read_sketch
from parity.sketch.recipe import DEFAULT
from reference_dumps.lock import locked

CASE = "lockstep-121x512x768"


@pytest.fixture(scope="module")
def sketch():
    return read_sketch(locked(RECORDINGS, f"1.0.0/{CASE}.sketch.safetensors"))


@pytest.fixture(scope="module")
def today():
    """What the case is today: its manifest, and the names of its taps. No weight is made."""
    (case,) = chosen_cases(Choice(ids=(CASE,), lockstep=True))
    with World() as world:
        names = [tap.name for forward in world.forwards(case, torch.bfloat16) for tap in forward.plan]
        return manifest(world, case, torch.bfloat16, "official", ""), world.made_from(case), names


def test_weights_and_inputs_can_be_made_again(sketch, today):
    found, made_from, _ = today
    assert sketch.manifest.extra["weights"] == made_from
    assert sketch.manifest.checkpoint_sha256 == found.checkpoint_sha256
    assert sketch.manifest.input_sha256 == found.input_sha256
    assert len(found.input_sha256) == 40
    assert sketch.recipe == DEFAULT


def test_it_holds_every_block_and_the_end_of_every_pass(sketch, today):
    asked = [name for name in today[2] if any(fnmatchcase(name, pattern) for pattern in sketch.patterns)]
    assert sorted(sketch.taps) == sorted(asked)
    assert len(asked) == 2 * 48 + 4 * 4


def test_its_numbers_are_finite_and_of_the_real_widths(sketch):
    assert {row.shape[-1] for row in sketch.rows} == {4096, 2048, 128}
    assert {row.shape[1] for row in sketch.rows} == {6144, 126}
    assert all(row.norm > 0 and row.nonfinite == (0, 0, 0) for row in sketch.rows)
    assert (sketch.manifest.producer, sketch.manifest.release, sketch.sums) == ("official", "1.0.0", "float32")
