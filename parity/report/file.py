"""Reports on disk: written whole or not at all, read strictly."""

import contextlib
import os
import tempfile
from pathlib import Path

from parity.errors import BadInputError, ParityError
from parity.report.document import from_document, to_document
from parity.report.markdown import to_markdown
from parity.report.record import Report
from parity.run.record import RunResult
from parity.store import strict_json


def write_report(run: RunResult | Report, path: Path) -> None:
    """Write a run as JSON; the file appears whole, or what was there stays.

    BadInputError where the folder cannot be written to, or the run's records contradict each other.
    """
    _publish(path, strict_json.encode(str(path), to_document(run)) + b"\n")


def write_markdown(run: RunResult | Report, path: Path) -> None:
    """Write a run as Markdown; likewise whole or not at all, and the same errors."""
    _publish(path, to_markdown(run).encode())


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote; BadInputError where the file is missing, cut short, or anything else."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a report written by write_report", "check the path") from error
    try:
        value = strict_json.decode(str(path), raw)
    except ParityError as error:
        raise BadInputError(str(path), error.got, "a whole report", "write the report again") from error
    return from_document(value, str(path))


def _publish(path: Path, content: bytes) -> None:
    try:
        _replace(path, content)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a file in a folder that can be written to", "check the path") from error


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            # What mkstemp makes only its owner can read; a report is as public as any file its owner writes.
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
