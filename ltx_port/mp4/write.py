"""One call for a clip's MP4."""

from collections.abc import Mapping
from pathlib import Path

from ltx_port.mp4.facts import ClipFacts
from ltx_port.mp4.writer import Frames, Mp4Writer, OnFrames
from ltx_port.vocoder.sound import Sound


def write_mp4(
    path: Path,
    frames: Frames,
    sound: Sound,
    facts: ClipFacts,
    metadata: Mapping[str, str],
    on_frames: OnFrames | None = None,
) -> None:
    """Write frames and sound as H.264 and AAC, with `metadata` in the file.

    `frames` gives stretches as the video decoder of the release does, and is asked for one at a time; `on_frames` is
    told how many have been written. The packets are those of the official code of the release, on the same machine, at
    the exact frame rate. The file takes its name when it is whole: see `published`.

    Raises InputError, before the first frame is asked for, for a path or metadata that cannot be written, a sound that
    is not as long as the frames (less up to 60 ms, as LTX-2.3 makes it), and a disk without room; later, for frames of
    another number, size or kind than `facts` says, and for what the operating system reports while writing.
    """
    Mp4Writer(facts.release)(path, frames, sound, facts, metadata, on_frames)
