"""Frames and sound to an MP4 file, frame by frame."""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.mp4.container import Mp4Container
from ltx_port.mp4.disk import mp4_bytes
from ltx_port.mp4.facts import ClipFacts
from ltx_port.mp4.frames import EncoderFrames
from ltx_port.mp4.metadata import check_metadata
from ltx_port.mp4.publish import published, require_file_target, require_room
from ltx_port.mp4.sound import PcmSamples
from ltx_port.release import NEWEST, Release
from ltx_port.vocoder.sound import Sound

# T audio latent frames of 1/25 s give 1920 T - 1440 samples at 48 kHz, and T is rounded: the sound of any clip ends 10
# to 50 ms before its last frame does.
_MAY_END_EARLIER = Fraction(6, 100)

Frames = Iterator[Shaped[Tensor, "frames height width 3"]]
OnFrames = Callable[[int], None]


class Mp4Writer(nn.Module):
    """Writes clips as a release does; what it computes are modules without weights."""

    def __init__(self, release: Release = NEWEST):
        super().__init__()
        self.release = release
        self.frames = EncoderFrames(release)
        self.samples = PcmSamples()

    def forward(
        self,
        path: Path,
        frames: Frames,
        sound: Sound,
        facts: ClipFacts,
        metadata: Mapping[str, str],
        on_frames: OnFrames | None = None,
    ) -> None:
        """Write a clip: see `write_mp4`."""
        assert facts.release is self.release, "a writer is for one release"
        require_file_target(path)
        check_metadata(metadata)
        _check_sound(sound, facts)
        texts = sum(len(text.encode()) for item in metadata.items() for text in item)
        require_room(path, mp4_bytes(facts) + texts)
        with published(path) as partial, Mp4Container(partial, path, facts, metadata) as container:
            container.write_sound(self.samples(sound.waveform), sound.sampling_rate)
            self._write_frames(container, frames, facts, on_frames)

    def _write_frames(
        self, container: Mp4Container, frames: Frames, facts: ClipFacts, on_frames: OnFrames | None
    ) -> None:
        written = 0
        for chunk in frames:
            written += len(chunk)
            if written > facts.frames or chunk.shape[1:3] != (facts.height, facts.width):
                raise _other_frames(f"{written} or more of {tuple(chunk.shape[1:3])}", facts)
            container.write_frames(self.frames(chunk))
            # Before the next one is decoded: there is never room for two.
            del chunk
            if on_frames is not None:
                on_frames(written)
        if written != facts.frames:
            raise _other_frames(f"{written}", facts)


def _check_sound(sound: Sound, facts: ClipFacts) -> None:
    waveform, rate = sound
    if waveform.ndim != 2 or waveform.shape[0] != 2 or waveform.dtype is not torch.float32:
        got = f"{str(waveform.dtype).removeprefix('torch.')} {tuple(waveform.shape)}"
        raise InputError("sound", got, "float32 (2, samples)", "give what the vocoder makes")
    if not waveform.isfinite().all():
        raise InputError("sound", "NaN or infinity", "finite samples", "look for their origin in the vocoder")
    if rate not in (av.Codec("aac", "w").audio_rates or ()):
        raise InputError("sound", f"{rate} samples a second", "a rate of AAC, 48000 for LTX-2.3", "resample it")
    missing, frame = facts.duration - Fraction(waveform.shape[1], rate), 1 / facts.rate
    if not -frame <= missing <= max(frame, _MAY_END_EARLIER):
        got = f"{waveform.shape[1] / rate:.3f} s"
        expected = f"the {float(facts.duration):.3f} s of the frames, or up to 60 ms less"
        raise InputError("sound", got, expected, "give the sound of the same clip")


def _other_frames(got: str, facts: ClipFacts) -> InputError:
    expected = f"{facts.frames} of ({facts.height}, {facts.width})"
    return InputError("frames", got, expected, "state the clip's own number and size")
