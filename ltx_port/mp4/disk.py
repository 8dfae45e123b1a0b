"""How much room a clip takes at most, so that a full disk is met before hours of work and not after."""

import math

from ltx_port.mp4.facts import ClipFacts

# For each pixel of a frame. At the releases' settings libx264 made 0.4 to 1.1 bytes of black and white noise; the
# planes themselves are one and a half.
_VIDEO_BYTES = 1.5
# AAC at libav's default of 128,000 bits a second: noise took 0.34 to 0.39 bytes for each of 48,000 samples.
_SOUND_BYTES_PER_SECOND = 48_000
# Tables of the container for each frame, and for each of the 47 packets of sound in a second.
_FRAME_BYTES, _SECOND_BYTES = 64, 2_048
_HEADERS = 65_536
# Deflate adds 5 bytes to blocks of up to 16 KiB that it cannot shorten; a row of a PNG has one byte of its own.
_DEFLATE = 1.001


def mp4_bytes(facts: ClipFacts) -> int:
    """Give the most that a clip takes as an MP4, without its metadata."""
    frame = _VIDEO_BYTES * facts.height * facts.width + _FRAME_BYTES
    sound = (_SOUND_BYTES_PER_SECOND + _SECOND_BYTES) * facts.duration
    return math.ceil(frame * facts.frames + sound) + _HEADERS


def png_bytes(facts: ClipFacts) -> int:
    """Give the most that a clip's frames take as PNG files."""
    frame = _DEFLATE * facts.height * (3 * facts.width + 1) + 1_024
    return math.ceil(frame * facts.frames)


def wav_bytes(samples: int) -> int:
    """Give what a stereo sound takes as 16-bit PCM."""
    return 44 + 4 * samples
