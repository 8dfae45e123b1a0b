"""An MP4 being written: a stream of H.264, a stream of AAC, and texts about the clip."""

from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import torch
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from jaxtyping import Int16, UInt8
from torch import Tensor

from ltx_port.mp4.facts import ClipFacts
from ltx_port.mp4.publish import system_errors

# Keys of any name; and packets wait for those of the other stream however long, so that the two lie side by side.
_MUXER = {"movflags": "use_metadata_tags", "max_interleave_delta": "0"}


def _reproducible() -> dict[str, str]:
    """Keep libx264 from its AVX-512 kernels, where the processor has them.

    With them, and its macroblock tree, streams change from run to run unless the width is a multiple of 128. Where it
    is, the kernels for AVX2 give the same stream; elsewhere they give one stream at every run.
    """
    # DIFFERS: upstream's streams of other widths are not reproducible there. Measured with core 165.
    return {"x264-params": "asm=avx2"} if torch.backends.cpu.get_cpu_capability() == "AVX512" else {}


class Mp4Container:
    """Encodes and writes as it is given frames and sound; the same input gives the same bytes.

    A context manager: the file is finished when the block ends well. Errors of libav become InputErrors about `target`,
    the name that the file is to have.
    """

    def __init__(self, file: Path, target: Path, facts: ClipFacts, metadata: Mapping[str, str]):
        self._target, self._facts = target, facts
        self._planes = facts.release.encoded_as_bt709
        with system_errors(target):
            self._container: OutputContainer = av.open(str(file), "w", format="mp4", options=dict(_MUXER))
            self._container.metadata.update(metadata)
            self._video = self._video_stream()

    def write_sound(self, samples: Int16[Tensor, "samples 2"], sampling_rate: int) -> None:
        """Encode the whole sound, once and before any frame; what it says lasts as long as the frames.

        The encoder's delay of 1024 samples is in the file, and its edit list leaves it out again.
        """
        with system_errors(self._target):
            stream = self._audio_stream(sampling_rate)
            frame = av.AudioFrame.from_ndarray(samples.cpu().numpy().reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = sampling_rate, 0
            packets = [*stream.encode(frame), *stream.encode(None)]
            missing = self._facts.duration - Fraction(len(samples), sampling_rate)
            if missing > 1 / self._facts.rate:
                # DIFFERS: upstream's sound then ends earlier. No sample is added, and every packet stays as it was.
                last = packets[-1]
                assert last.duration is not None, "libav's AAC encoder times its packets"
                last.duration += round(missing * sampling_rate)
            self._container.mux(packets)

    def write_frames(self, frames: UInt8[Tensor, "frames rows ..."]) -> None:
        """Encode frames in the layout that EncoderFrames gives them."""
        layout = "yuv420p" if self._planes else "rgb24"
        for pixels in frames.cpu().numpy():
            with system_errors(self._target):
                self._container.mux(self._video.encode(av.VideoFrame.from_ndarray(pixels, format=layout)))

    def _video_stream(self) -> VideoStream:
        release = self._facts.release
        options = {"crf": str(release.video_crf), "preset": release.video_preset, **_reproducible()}
        stream = self._container.add_stream("libx264", rate=self._facts.rate, options=options)
        stream.height, stream.width, stream.pix_fmt = self._facts.height, self._facts.width, "yuv420p"
        stream.codec_context.thread_type = "FRAME" if release.encoder_shares_out_frames else "SLICE"
        if self._planes:
            stream.codec_context.colorspace = Colorspace.ITU709
            stream.codec_context.color_range = ColorRange.MPEG
        return stream

    def _audio_stream(self, sampling_rate: int) -> AudioStream:
        stream = self._container.add_stream("aac", rate=sampling_rate)
        stream.codec_context.layout = "stereo"
        stream.codec_context.time_base = Fraction(1, sampling_rate)
        return stream

    def __enter__(self) -> "Mp4Container":
        """Write until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or let go of what an error left."""
        if error is None:
            with system_errors(self._target):
                self._container.mux(self._video.encode(None))
                self._container.close()
        else:
            with suppress(OSError, av.FFmpegError):
                self._container.close()
