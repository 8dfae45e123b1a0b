"""The picture files of the cases: every kind that the official code reads, drawn in whole numbers."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from parity.ltx23.stage import Case, input_seed
from parity.ltx23.synthetic.weights import random_bits

PICTURES = "pictures"
Bytes = npt.NDArray[np.uint8]
_ORIENTATION = 0x0112
# Levels of noise on top of the drawing, which compression takes away.
_NOISE = 24


def drawn(label: str, height: int, width: int, channels: int = 3) -> Bytes:
    """Draw slopes, an edge and noise that differ from channel to channel, and are not symmetric."""
    row, column = np.mgrid[:height, :width]
    slopes = [(9 * column + 4 * row) % 256, (5 * row + column * row // 6) % 256, 230 - 6 * column + 3 * row, 40 + row]
    stacked = np.stack(slopes[:channels], axis=-1)
    stacked[height // 3 :, : width // 4] += 90
    count = height * width * channels
    noise = (
        random_bits(input_seed(), f"picture.{label}", 0, count, "cpu").remainder(_NOISE).view(height, width, channels)
    )
    levels: Bytes = np.clip(stacked + noise.numpy(), 0, 255).astype(np.uint8)
    return levels


def _profile() -> bytes:
    """Give an RGB colour profile that is plainly not sRGB: its red and its blue have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The tags' names in its table; then the time of its making, which would make every file another one.
    for old, new in ((b"rXYZ", b"????"), (b"bXYZ", b"rXYZ"), (b"????", b"bXYZ")):
        profile = profile.replace(old, new, 1)
    profile[24:36] = bytes(12)
    return bytes(profile)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _png(path: Path, picture: Image.Image, **more: object) -> None:
    # Not compressed: how well a library does that must not show in the hash of the file.
    picture.save(path, "PNG", compress_level=0, **more)


def _plain(path: Path, height: int, width: int) -> None:
    _png(path, Image.fromarray(drawn(path.name, height, width)))


def _turned(path: Path, orientation: int) -> None:
    _png(path, Image.fromarray(drawn(path.name, 12, 19)), exif=_exif(orientation))


def _profiled(path: Path) -> None:
    _png(path, Image.fromarray(drawn(path.name, 14, 15)), icc_profile=_profile())


def _transparent(path: Path) -> None:
    _png(path, Image.fromarray(drawn(path.name, 16, 13, 4), "RGBA"), icc_profile=_profile())


def _grey(path: Path, mode: str) -> None:
    levels = drawn(path.name, 13, 16)
    if mode == "I;16":
        _png(path, Image.fromarray(levels[..., 0].astype(np.uint16) * 256 + levels[..., 1]))
    else:
        # Straight to grey with transparency there is no conversion.
        picture = Image.fromarray(levels).convert("RGBA" if mode == "LA" else "RGB")
        _png(path, picture.convert(mode))


def _jpeg(path: Path, mode: str) -> None:
    picture = Image.fromarray(drawn(path.name, 34, 51)).convert(mode)
    picture.save(path, "JPEG", quality=85, exif=_exif(8), icc_profile=_profile() if mode == "RGB" else None)


def _webp(path: Path) -> None:
    Image.fromarray(drawn(path.name, 27, 30, 4), "RGBA").save(path, "WEBP", lossless=True, exact=True)


_WRITERS: Mapping[str, Callable[[Path], None]] = {
    "landscape.png": lambda path: _plain(path, 37, 53),
    "portrait.png": lambda path: _plain(path, 45, 22),
    "small.png": lambda path: _plain(path, 11, 18),
    "exact.png": lambda path: _plain(path, 32, 48),
    # Three slices of libx264 where there are three CPUs.
    "large.png": lambda path: _plain(path, 210, 121),
    "full_hd.png": lambda path: _plain(path, 1080, 1920),
    "turned3.png": lambda path: _turned(path, 3),
    "turned6.png": lambda path: _turned(path, 6),
    "turned8.png": lambda path: _turned(path, 8),
    "mirrored.png": lambda path: _turned(path, 5),
    "profile.png": _profiled,
    "transparent.png": _transparent,
    "grey.png": lambda path: _grey(path, "L"),
    "grey_transparent.png": lambda path: _grey(path, "LA"),
    "grey16.png": lambda path: _grey(path, "I;16"),
    "palette.png": lambda path: _grey(path, "P"),
    "photograph.jpg": lambda path: _jpeg(path, "RGB"),
    "print.jpg": lambda path: _jpeg(path, "CMYK"),
    "web.webp": _webp,
}


def write_pictures(folder: Path, case: Case) -> None:
    """Write the files that the case's passes read, into a new folder."""
    folder.mkdir()
    for name in case.options[PICTURES]:
        _WRITERS[name](folder / name)
