"""Frames alone, to a folder of PNG files."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ltx_port.errors import InputError
from ltx_port.mp4.frames import RgbBytes
from ltx_port.mp4.publish import published, system_errors
from ltx_port.mp4.writer import Frames


def write_png_frames(folder: Path, frames: Frames, on_frames: Callable[[int], None] | None = None) -> None:
    """Write frames without loss as frame_000000.png and so on, in a folder that takes its name when all are there.

    `frames` are those of either release's video decoder, asked for one stretch at a time. Raises InputError for a
    folder that exists and is not empty, or cannot be written.
    """
    if not folder.parent.is_dir():
        raise InputError(str(folder.parent), "no such folder", "the folder to write to", "make it, or choose another")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(str(folder), "there already", "a new or an empty folder", "choose another, or empty it")
    to_bytes, written = RgbBytes(), 0
    with published(folder) as partial:
        with system_errors(folder):
            partial.mkdir()
        for chunk in frames:
            for pixels in to_bytes(chunk).cpu().numpy():
                with system_errors(folder):
                    Image.fromarray(pixels).save(partial / f"frame_{written:06d}.png")
                written += 1
            # Before the next one is decoded: there is never room for two.
            del chunk
            if on_frames is not None:
                on_frames(written)
        if written == 0:
            raise InputError("frames", "none", "one or more", "give the frames of a clip")
