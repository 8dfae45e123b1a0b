"""How the store words its refusals: one line each, whatever text the file or the library put into them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.errors import BadInputError

SHOWN_CHARACTERS = 80
ERROR_CHARACTERS = 240  # libraries append native stack traces to some messages

# What h5py, json and the operating system raise on a file that is not what it says it is.
_READ_FAULTS = (OSError, ValueError, KeyError, TypeError, RuntimeError, OverflowError, MemoryError)


def shown(value: object) -> str:
    """Return `value` quoted on one line and cut to a readable length: names and keys come from outside."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def one_line(error: BaseException) -> str:
    """Return the message of `error` as one line of readable length, led by its type."""
    return f"{type(error).__name__} {' '.join(str(error).split())}".strip()[:ERROR_CHARACTERS]


def unreadable(where: Path | str, got: str) -> BadInputError:
    """Build the refusal of a file that is not a whole dump."""
    return BadInputError(str(where), got, "a whole parity dump", "record or copy the dump again")


@contextmanager
def refusing(where: Path | str, doing: str) -> Iterator[None]:
    """Turn a fault of the file or of the library reading it into one BadInputError naming `where`."""
    try:
        yield
    except _READ_FAULTS as error:
        raise unreadable(where, f"{doing} failed: {one_line(error)}") from error


def stamp_of(descriptor: int) -> tuple[int, int]:
    """Give size and time of the last change of an open file."""
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns
