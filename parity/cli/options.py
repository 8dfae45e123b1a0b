"""Types of command-line options; a value that does not fit ends in argparse's one line and exit code 2."""

import argparse
from pathlib import Path

from parity.binding import WeightsForm

ATTENTION_KERNELS = ("auto", "math", "flash", "efficient", "cudnn")
ONE_SIDE = (str(WeightsForm.COPIES), str(WeightsForm.STREAMED))
"""Forms of weights where one side alone is loaded."""


def commas(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"an empty name in {text!r}")
    return names


def positive(text: str) -> int:
    """A whole number from 1 up."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def size(text: str) -> int:
    """A number of bytes, with K, M or G for powers of 1024."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return positive(text[:-1]) * units[text[-1].upper()] if text[-1:].upper() in units else positive(text)


def existing_folder(text: str) -> Path:
    """A folder, made where its parent exists."""
    path = Path(text)
    if not path.is_dir():
        try:
            path.mkdir()
        except OSError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error.strerror}; give a folder that can be made") from None
    return path


def fraction(text: str) -> float:
    """A number between 0 and 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return number


def budget(text: str) -> tuple[str | None, float]:
    """An error above 0, or NAME=ERROR for one outcome."""
    name, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf") or (equals and not name):
        raise argparse.ArgumentTypeError(f"{text!r} is not an error above 0, or NAME=ERROR")
    return name or None, value


def factor(text: str) -> float:
    """A number from 1 up."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return value
