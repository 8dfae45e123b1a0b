"""The official writing of a clip, called as its pipelines do, and the file that it wrote.

Release 1.0.0 gives its encoder the decoder's bytes; 1.2.0 converts them first. What the audio encoder receives is seen
in the frame that the official function makes for it.
"""

# Before any official module that imports torchaudio, or OpenImageIO in its stead.
import reference_dumps.official.openimageio_stand_in

import reference_dumps.official.torchaudio_without_extension  # noqa: F401  isort: skip

import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from ltx_core.types import Audio
from torch import Tensor, nn

from parity.ltx23.stages.mp4.packets import read_packets
from parity.ltx23.stages.mp4.passes import MOST_CHUNKS, SAMPLING_RATE, Mp4Pass
from parity.ltx23.terms import Load
from reference_dumps.official.operations import Shown


class Converter(nn.Module):
    """Calls the official converter of one stretch of frames; without one, gives the frames."""

    def __init__(self, converter: Any):
        super().__init__()
        self._converter = converter

    def forward(self, chunk: Tensor) -> Tensor:
        """Give what the encoder receives of frames (frames, height, width, 3)."""
        # A copy: the official ones may work in place.
        return chunk if self._converter is None else self._converter(chunk.clone().movedim(-1, -3))


class ReadBack(nn.Module):
    """A place to watch one stream of the file."""

    def forward(self, path: Path, kind: str) -> Tensor:
        """Give its packets."""
        return read_packets(path, kind)


class OfficialMp4(nn.Module):
    """One clip written."""

    def __init__(self, release: str):
        super().__init__()
        self._first = release == "1.0.0"
        colours: Any = None if self._first else import_module("ltx_core.color.yuv")
        self._planes = None if self._first else colours.yuv420p_bt709_converter_
        self.converters = nn.ModuleList(Converter(self._planes) for _ in range(MOST_CHUNKS))
        self.rgb = Converter(None if self._first else colours.rgb_uint8_converter_)
        self.samples, self.read_back = Shown(), ReadBack()

    def forward(self, given: Mp4Pass) -> None:
        """Run one pass."""
        for chunk in given.chunks:
            self.rgb(chunk)
        if given.file:
            self._write(given)
        else:
            for converter, chunk in zip(self.converters, given.chunks, strict=False):
                converter(chunk)
            media, _, write = self._sound_functions()
            with self._watched_sound(run=False):
                getattr(media, write)(None, None, Audio(waveform=given.waveform, sampling_rate=SAMPLING_RATE))

    def _write(self, given: Mp4Pass) -> None:
        media: Any = import_module("ltx_pipelines.utils.media_io" + ("" if self._first else ".encode"))
        converters, chunks, more = iter(self.converters), iter(given.chunks), dict[str, Any]()
        if self._first:
            # The bytes go to the encoder as they are; the converter shows them on the way.
            chunks = (next(converters)(chunk) for chunk in given.chunks)
        else:
            more["frame_converter"] = _Watched(self._planes, converters)
        with ExitStack() as stack:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ltx-parity-"))) / "clip.mp4"
            stack.enter_context(self._watched_sound(run=True))
            # Progress is shown elsewhere.
            stack.enter_context(mock.patch.object(media, "tqdm", lambda chunks, total: chunks))
            media.encode_video(
                video=chunks,
                fps=given.fps,
                audio=Audio(waveform=given.waveform, sampling_rate=SAMPLING_RATE),
                output_path=str(path),
                video_chunks_number=len(given.chunks),
                **more,
            )
            for kind in ("video", "audio"):
                self.read_back(path, kind)

    def _sound_functions(self) -> tuple[Any, str, str]:
        """Give the module of the official sound functions, and the names of the two that encode and write."""
        if self._first:
            return import_module("ltx_pipelines.utils.media_io"), "_resample_audio", "_write_audio"
        return import_module("ltx_core.color.audio_mux"), "resample_audio", "write_audio"

    def _watched_sound(self, run: bool) -> Any:
        """Show the samples that the encoder is given; `run`: and give them to it."""
        media, encode, _ = self._sound_functions()
        original = getattr(media, encode)

        def watched(container: Any, stream: Any, frame: Any) -> None:
            self.samples(torch.from_numpy(frame.to_ndarray()).view(-1, 2))
            if run:
                original(container, stream, frame)

        return mock.patch.object(media, encode, watched)


class _Watched:
    """A converter of the official kind that goes through one module after the other."""

    def __init__(self, converter: Any, modules: Any):
        self._converter, self._modules = converter, modules

    def __call__(self, frames: Tensor) -> Tensor:
        """Convert the next stretch, which comes with its colours in front."""
        return next(self._modules)(frames.movedim(-3, -1))

    def __getattr__(self, name: str) -> Any:
        """Give what else the official code asks a converter for."""
        return getattr(self._converter, name)


def load(request: Load) -> nn.Module:
    """Give the official functions of a release as a module; there are no weights to load."""
    return OfficialMp4(request.release)


def call(model: nn.Module, given: Mp4Pass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(given)
