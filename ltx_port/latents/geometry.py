"""What a clip of so many frames, rows and columns is in latents.

Source: the LTX-2.3 pipelines fix these numbers in code; the checkpoint's VAEs have the same ones.
"""

import math
from dataclasses import dataclass, replace

from ltx_port.errors import InputError

FRAMES_PER_LATENT = 8
PIXELS_PER_LATENT = 32
VIDEO_CHANNELS = 128
AUDIO_CHANNELS = 8
AUDIO_BINS = 16
AUDIO_SAMPLE_RATE = 16000
AUDIO_HOP = 160
MELS_PER_LATENT = 4


@dataclass(frozen=True)
class VideoGrid:
    """A video latent of shape (batch, channels, frames, rows, columns); one token is one position of it."""

    batch: int
    channels: int
    frames: int
    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """The shape of the latent tensor."""
        return self.batch, self.channels, self.frames, self.rows, self.columns

    @property
    def mask_shape(self) -> tuple[int, int, int, int, int]:
        """The shape of a mask with one number for each token."""
        return self.batch, 1, self.frames, self.rows, self.columns

    @property
    def tokens_per_frame(self) -> int:
        """Tokens of one latent frame."""
        return self.rows * self.columns

    @property
    def tokens(self) -> int:
        """Tokens of the whole latent."""
        return self.frames * self.tokens_per_frame


@dataclass(frozen=True)
class AudioGrid:
    """An audio latent of shape (batch, channels, frames, bins); one token is one frame of it."""

    batch: int
    channels: int
    frames: int
    bins: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the latent tensor."""
        return self.batch, self.channels, self.frames, self.bins

    @property
    def mask_shape(self) -> tuple[int, int, int, int]:
        """The shape of a mask with one number for each token."""
        return self.batch, 1, self.frames, 1

    @property
    def tokens(self) -> int:
        """Tokens of the whole latent."""
        return self.frames


@dataclass(frozen=True)
class Clip:
    """A request in pixels: frames (8k + 1), height and width (multiples of 32), frames per second, samples.

    InputError for anything else, and for a clip too short to have sound.
    """

    frames: int
    height: int
    width: int
    fps: float
    batch: int = 1

    def __post_init__(self) -> None:
        require_sides(self.height, self.width, PIXELS_PER_LATENT)
        if self.frames <= 0 or (self.frames - 1) % FRAMES_PER_LATENT:
            expected = f"{FRAMES_PER_LATENT}k + 1"
            use = _nearest(self.frames - 1, FRAMES_PER_LATENT, least=0, offset=1)
            raise InputError("clip frames", f"{self.frames}", expected, f"use {use}")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError("clip fps", f"{self.fps}", "a positive number", "give the frames per second")
        if self.batch <= 0:
            raise InputError("clip batch", f"{self.batch}", "1 or more", "give the number of samples")
        if self.audio.frames == 0:
            got = f"{self.frames} frames at {self.fps} a second: no audio latent"
            raise InputError("clip", got, "one or more", "ask for more frames, or fewer a second")

    @property
    def video(self) -> VideoGrid:
        """The video latent."""
        frames = (self.frames - 1) // FRAMES_PER_LATENT + 1
        rows, columns = self.height // PIXELS_PER_LATENT, self.width // PIXELS_PER_LATENT
        return VideoGrid(self.batch, VIDEO_CHANNELS, frames, rows, columns)

    @property
    def audio(self) -> AudioGrid:
        """The audio latent: 25 frames a second, rounded half to even."""
        seconds = float(self.frames) / float(self.fps)
        per_second = AUDIO_SAMPLE_RATE / AUDIO_HOP / MELS_PER_LATENT
        return AudioGrid(self.batch, AUDIO_CHANNELS, round(seconds * per_second), AUDIO_BINS)

    def halved(self) -> "Clip":
        """Give the clip of a two-stage pipeline's first stage; InputError unless its sides are multiples of 64."""
        require_sides(self.height, self.width, 2 * PIXELS_PER_LATENT)
        return replace(self, height=self.height // 2, width=self.width // 2)


def require_sides(height: int, width: int, unit: int) -> None:
    """Refuse a side that is no positive multiple of `unit`; InputError says the nearest ones."""
    for name, size in (("height", height), ("width", width)):
        if size <= 0 or size % unit:
            two = " for two stages" if unit > PIXELS_PER_LATENT else ""
            use = _nearest(size, unit, least=unit)
            raise InputError(f"clip {name}", f"{size}", f"a multiple of {unit}{two}", f"use {use}")


def _nearest(number: int, unit: int, least: int, offset: int = 0) -> str:
    """Name the multiples of `unit` around a number, shifted by `offset`."""
    below = max(least, number // unit * unit)
    above = below if number <= least else below + unit
    return " or ".join(str(found + offset) for found in sorted({below, above}))
