"""The port's file against the official one, at rates and lengths of real clips: every packet, and its times.

The cases compare durations too, where both have the same ones. Here sound ends more than a frame early, which the
port's container says otherwise: in the duration of the last packet, and nowhere else.
"""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from parity.ltx23.stage import Load, Setting
from parity.ltx23.stages.mp4 import port
from parity.ltx23.stages.mp4.cases import written
from parity.ltx23.stages.mp4.passes import SAMPLING_RATE, Mp4Pass

pytestmark = pytest.mark.reference
DURATION = 3


def packets(adapter: Any, given: Mp4Pass) -> list[Tensor]:
    """Give what is read back of video and audio."""
    found: list[Tensor] = []
    model: nn.Module = adapter.load(Load({}, torch.device("cpu"), torch.float32, "1.0.0"))
    model.get_submodule("read_back").register_forward_hook(lambda *call: found.append(call[2]))
    adapter.call(model, given)
    return found


@pytest.mark.parametrize(("frames", "fps"), [(9, 24), (17, 30), (9, 50), (33, 24)])
def test_only_the_duration_of_the_last_packet_differs(frames: int, fps: int) -> None:
    given = written("clip", frames, 64, 128, fps)(Setting(None, torch.float32, "1.0.0"))  # type: ignore[arg-type]
    missing = frames * SAMPLING_RATE // fps - given.waveform.shape[1]
    assert missing > SAMPLING_RATE / fps, "the sound of this clip ends more than a frame early"
    official = packets(import_module("reference_dumps.official.mp4"), given)
    own = packets(port, given)
    assert torch.equal(own[0], official[0])
    # The row behind the last packet is the unit of time.
    official[1][-2, DURATION] += missing
    assert torch.equal(own[1], official[1])
    assert official[1].shape[0] > 5
