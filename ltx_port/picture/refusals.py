"""What can be wrong with a picture file, each in one line."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ltx_port.errors import InputError

# What Pillow's readers raise for damaged files.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, struct.error, zlib.error)


@contextmanager
def picture_refusals(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a picture file into one InputError."""
    where, expected = str(path), "a JPEG, PNG or WebP picture"
    try:
        with warnings.catch_warnings():
            # Pillow only warns between its limit and twice that.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # It advises to keep a transparency that is left out on purpose.
            warnings.filterwarnings("ignore", "Palette images with Transparency", UserWarning)
            yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(where, "no such file", expected, "give the path of the file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = f"at most {Image.MAX_IMAGE_PIXELS:,} pixels"
        raise InputError(where, "too many pixels", limit, "make the picture smaller") from None
    except UnidentifiedImageError:
        got = "an empty file" if path.stat().st_size == 0 else "another format, or damaged at its beginning"
        raise InputError(where, got, expected, "save the picture again, as PNG for example") from None
    except _DAMAGED as error:
        got = f"unreadable or truncated ({_one_line(error)})"
        raise InputError(where, got, expected, "save or fetch the file again") from None


def _one_line(error: BaseException) -> str:
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(told.split())
