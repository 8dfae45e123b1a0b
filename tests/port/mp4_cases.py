"""Clips for the tests of the MP4 writer, and what is in a file that it wrote."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch

from ltx_port.mp4 import ClipFacts
from ltx_port.release import RELEASE_1_0_0, Release
from ltx_port.vocoder.sound import Sound

RATE = 48000


def facts(frames: int = 9, height: int = 64, width: int = 96, fps: float = 24.0,
          release: Release = RELEASE_1_0_0) -> ClipFacts:  # fmt: skip
    return ClipFacts(frames, height, width, fps, release)


def frames(clip: ClipFacts, chunk: int = 4) -> Iterator[torch.Tensor]:
    """Give a moving pattern as the release's decoder does, each stretch made when it is asked for."""
    for start in range(0, clip.frames, chunk):
        time = torch.arange(start, min(start + chunk, clip.frames))[:, None, None, None]
        row, column = torch.arange(clip.height)[:, None, None], torch.arange(clip.width)[:, None]
        wave = torch.sin(time / 5 + column / 9 + torch.arange(3)) + torch.cos(row / 7.0)
        shares = (wave / 5 + 0.5).clamp(0, 1)
        yield (shares * 255).to(torch.uint8) if clip.release.frames_uint8 else shares.to(torch.bfloat16)


def sound(clip: ClipFacts) -> Sound:
    """Give a sound as long as the vocoder makes it: 25 audio latents a second, rounded. Left is louder."""
    samples = (4 * round(clip.frames / clip.fps * 25) - 3) * 480
    wave = torch.sin(torch.arange(samples) * (2 * math.pi * 440 / RATE))
    return Sound(torch.stack([wave * 0.6, wave * 0.2]), RATE)


class Read(NamedTuple):
    """A file, decoded: bytes of every frame, samples, and what the container says."""

    video: np.ndarray
    audio: np.ndarray
    rate: Fraction
    times: list[Fraction]
    durations: tuple[Fraction, Fraction]


def read(path: Path) -> Read:
    with av.open(str(path), "r") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        shown = [(frame.to_ndarray(format="rgb24"), frame.pts * frame.time_base) for frame in container.decode(video)]
        container.seek(0)
        heard = [frame.to_ndarray() for frame in container.decode(audio)]
        durations = (video.duration * video.time_base, audio.duration * audio.time_base)
        pictures, times = zip(*shown, strict=True)
        return Read(np.stack(pictures), np.concatenate(heard, axis=1), video.average_rate, list(times), durations)


def streams(path: Path) -> dict[str, list[tuple[bytes, int, int, int]]]:
    """Give the packets of each stream: bytes, time shown, time decoded, duration."""
    found: dict[str, list[tuple[bytes, int, int, int]]] = {}
    with av.open(str(path), "r") as container:
        for packet in container.demux():
            if packet.size:
                row = (bytes(packet), packet.pts, packet.dts, packet.duration)
                found.setdefault(packet.stream.type, []).append(row)
    return found
