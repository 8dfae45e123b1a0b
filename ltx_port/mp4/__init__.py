"""The end of the pipeline: frames and sound to files that are there whole or not at all."""

from ltx_port.mp4.disk import mp4_bytes, png_bytes, wav_bytes
from ltx_port.mp4.facts import ClipFacts, exact_rate
from ltx_port.mp4.frames import EncoderFrames, RgbBytes
from ltx_port.mp4.metadata import read_metadata
from ltx_port.mp4.png import PngFrames, write_png_frames
from ltx_port.mp4.publish import require_room
from ltx_port.mp4.sound import PcmSamples
from ltx_port.mp4.wav import write_wav
from ltx_port.mp4.write import write_mp4
from ltx_port.mp4.writer import Mp4Writer

__all__ = [
    "ClipFacts",
    "EncoderFrames",
    "Mp4Writer",
    "PcmSamples",
    "PngFrames",
    "RgbBytes",
    "exact_rate",
    "mp4_bytes",
    "png_bytes",
    "read_metadata",
    "require_room",
    "wav_bytes",
    "write_mp4",
    "write_png_frames",
    "write_wav",
]
