"""The vocoder: log-mel frames to stereo sound, in two steps."""

from ltx_port.vocoder.model import Vocoder
from ltx_port.vocoder.sound import Sound, SoundDecoder

__all__ = ["Sound", "SoundDecoder", "Vocoder"]
