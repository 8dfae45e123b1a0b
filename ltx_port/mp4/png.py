"""Frames alone, to a folder of PNG files."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from jaxtyping import Shaped
from PIL import Image
from torch import Tensor

from ltx_port.errors import InputError
from ltx_port.mp4.frames import RgbBytes
from ltx_port.mp4.publish import published, system_errors
from ltx_port.mp4.writer import Frames


class PngFrames:
    """A context in which frames are written without loss as frame_000000.png and so on.

    The folder takes its name when the context ends well, and at least one frame is there. Entering it raises InputError
    for a folder that exists and is not empty, or cannot be written.
    """

    def __init__(self, folder: Path):
        self._folder, self._to_bytes, self.written = folder, RgbBytes(), 0
        self._exit = ExitStack()

    def __enter__(self) -> "PngFrames":
        """Make the folder, under a temporary name."""
        folder = self._folder
        if not folder.parent.is_dir():
            raise InputError(str(folder.parent), "no such folder", "the folder to write to", "make it, or use another")
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InputError(str(folder), "there already", "a new or an empty folder", "choose another, or empty it")
        self._partial = self._exit.enter_context(published(folder))
        with system_errors(folder):
            self._partial.mkdir()
        return self

    def add(self, frames: Shaped[Tensor, "frames height width 3"]) -> None:
        """Write a stretch of frames, as either release's video decoder gives them."""
        for pixels in self._to_bytes(frames).cpu().numpy():
            with system_errors(self._folder):
                Image.fromarray(pixels).save(self._partial / f"frame_{self.written:06d}.png")
            self.written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish the folder, or remove what was written."""
        if error is None and self.written == 0:
            error = InputError("frames", "none", "one or more", "give the frames of a clip")
            self._exit.__exit__(type(error), error, None)
            raise error
        self._exit.__exit__(kind, error, trace)


def write_png_frames(folder: Path, frames: Frames, on_frames: Callable[[int], None] | None = None) -> None:
    """Write frames as `PngFrames` does; they are asked for one stretch at a time."""
    with PngFrames(folder) as png:
        for chunk in frames:
            png.add(chunk)
            # Before the next one is decoded: there is never room for two.
            del chunk
            if on_frames is not None:
                on_frames(png.written)
