"""A small file that appears whole under its name, or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

from parity.errors import BadInputError


def publish(path: Path, content: bytes) -> None:
    """Write a file whole, or leave what was there; BadInputError where its folder cannot be written to."""
    try:
        _replace(path, content)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a file in a folder that can be written to", "check the path") from error


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            # What mkstemp makes only its owner can read; a result is as public as any file its owner writes.
            os.fchmod(descriptor, 0o666 & ~_umask())
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _umask() -> int:
    # The only portable way to read it is to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
