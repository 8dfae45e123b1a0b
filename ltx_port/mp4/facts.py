"""What is known of a clip before it is written."""

import math
from dataclasses import dataclass
from fractions import Fraction

from ltx_port.errors import InputError
from ltx_port.release import NEWEST, Release

# Television counts 1000 frames of 1001: 23.976, 29.97 and 59.94 a second are short for 24000/1001 and so on.
_NTSC = Fraction(1000, 1001)
_SHORT_FOR = 0.005
_LARGEST_DENOMINATOR = 1001


@dataclass(frozen=True)
class ClipFacts:
    """Frames, height and width in pixels, frames per second, and the release whose encoder settings hold.

    InputError for a count or a size that is not positive, an odd size, or a rate that is no positive number.
    """

    frames: int
    height: int
    width: int
    fps: float
    release: Release = NEWEST

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width"):
            if (number := getattr(self, name)) < 1:
                raise InputError(f"clip {name}", f"{number}", "1 or more", "give the clip's own")
        for name in ("height", "width"):
            if (number := getattr(self, name)) % 2:
                raise InputError(f"clip {name}", f"{number}", "an even number", "choose a multiple of 32")
        if not (math.isfinite(self.fps) and exact_rate(self.fps) > 0):
            raise InputError("clip fps", f"{self.fps}", "a positive number", "give the frames per second")

    @property
    def rate(self) -> Fraction:
        """The exact number of frames per second."""
        return exact_rate(self.fps)

    @property
    def duration(self) -> Fraction:
        """How long all frames last, in seconds."""
        return self.frames / self.rate


def exact_rate(fps: float) -> Fraction:
    """Give the frame rate that a number stands for: 23.976 is 24000/1001, 12.5 is 25/2, 24.0 is 24."""
    # DIFFERS: upstream cuts off to a whole number, so that a clip of 23.976 frames a second plays at 23.
    television = round(fps / _NTSC) * _NTSC
    if fps != round(fps) and abs(fps - television) < _SHORT_FOR:
        return television
    return Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR)
