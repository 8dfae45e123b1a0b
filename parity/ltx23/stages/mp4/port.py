"""The port, as the harness runs it."""

import tempfile
from pathlib import Path

from torch import Tensor, nn

from ltx_port.mp4 import ClipFacts, Mp4Writer, RgbBytes
from ltx_port.release import Release, release_named
from ltx_port.vocoder import Sound
from parity.ltx23.refusals import refusals
from parity.ltx23.stages.mp4.packets import read_packets
from parity.ltx23.stages.mp4.passes import SAMPLING_RATE, Mp4Pass
from parity.ltx23.terms import Load


class ReadBack(nn.Module):
    """A place to watch one stream of the file."""

    def forward(self, path: Path, kind: str) -> Tensor:
        """Give its packets."""
        return read_packets(path, kind)


class Mp4(nn.Module):
    """The writer, the frames of a PNG, and what is in the file, as one root."""

    def __init__(self, release: Release):
        super().__init__()
        self.writer = Mp4Writer(release)
        self.rgb = RgbBytes()
        self.read_back = ReadBack()

    def forward(self, given: Mp4Pass) -> None:
        """Convert all, or write a file."""
        for chunk in given.chunks:
            self.rgb(chunk)
        if given.file:
            self._write(given)
        else:
            for chunk in given.chunks:
                self.writer.frames(chunk)
            self.writer.samples(given.waveform)

    def _write(self, given: Mp4Pass) -> None:
        height, width = given.chunks[0].shape[1:3]
        # The writer's own: a fault may have changed it.
        facts = ClipFacts(given.frames, height, width, float(given.fps), self.writer.release)
        sound = Sound(given.waveform, SAMPLING_RATE)
        with tempfile.TemporaryDirectory(prefix="ltx-parity-") as folder:
            path = Path(folder) / "clip.mp4"
            self.writer(path, iter(given.chunks), sound, facts, {"case": given.name})
            for kind in ("video", "audio"):
                self.read_back(path, kind)


def load(request: Load) -> Mp4:
    """Give the port; it has no weights."""
    with refusals():
        return Mp4(release_named(request.release))


def call(model: nn.Module, given: Mp4Pass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(given)
