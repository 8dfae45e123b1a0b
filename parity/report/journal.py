"""A campaign's outcomes on disk as they are found, so that an interrupted one goes on where it stopped."""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from parity.blame import FaultOutcome
from parity.errors import BadInputError
from parity.report.fault_row import decode_outcome, encode_outcome
from parity.report.strict import Fields, text
from parity.store import strict_json

SCHEMA = "ltx-parity/faults/1"
_SOURCES = ("*.py", "*.toml", "*.json", "*.h5")


class Journal:
    """Outcomes in an open file, one line of JSON each behind a first line that says by what code they were found."""

    def __init__(self, file: BinaryIO, outcomes: Sequence[FaultOutcome]):
        self._file = file
        self.outcomes = {outcome.id: outcome for outcome in outcomes}

    def add(self, outcome: FaultOutcome) -> None:
        """Write an outcome to the disk before returning; a kill in between loses this one alone."""
        self._file.write(_line(encode_outcome(outcome)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.outcomes[outcome.id] = outcome


@contextmanager
def open_journal(path: Path, source: str) -> Iterator[Journal]:
    """Open a journal to go on with, or begin one; `source` is the digest of the code that finds the outcomes.

    BadInputError where the file cannot be used: another process writes it, other code did, or it is something else.
    A last line that was cut off by a kill is dropped.
    """
    try:
        with path.open("a+b") as file:
            _lock(path, file)
            file.seek(0)
            raw = file.read()
            whole = raw[: raw.rfind(b"\n") + 1]
            if raw and not whole:
                raise BadInputError(str(path), "no whole line", f"a journal ({SCHEMA}), or no file", "name another")
            outcomes = _read(path, whole, source) if whole else []
            file.truncate(len(whole))
            if not whole:
                file.write(_line({"schema": SCHEMA, "source": source}))
                file.flush()
            yield Journal(file, outcomes)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a file that can be written to", "check the path") from error


def digest(folders: Sequence[Path], *more: str) -> str:
    """Give the SHA-256 of all sources, tables and recordings in some folders, and of some further texts."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted({path for pattern in _SOURCES for path in folder.rglob(pattern)}):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{folder.name}/{path.relative_to(folder).as_posix()} {content}\n".encode())
    found.update("\n".join(more).encode())
    return found.hexdigest()


def _lock(path: Path, file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadInputError(str(path), "another process writes it", "a journal of one's own", "name another") from None


def _read(path: Path, whole: bytes, source: str) -> list[FaultOutcome]:
    first, *rest = whole.splitlines()
    head = Fields.of_object(strict_json.decode(f"{path}:1", first), f"{path}:1", ("schema", "source"))
    if head.read("schema", text) != SCHEMA:
        raise BadInputError(f"{path}:1", head.read("schema", text), SCHEMA, "name another file")
    if head.read("source", text) != source:
        got = "outcomes of other code or another torch"
        raise BadInputError(str(path), got, "what this code found", "remove the file, or name another")
    places = ((f"{path}:{number}", line) for number, line in enumerate(rest, start=2))
    outcomes = [decode_outcome(strict_json.decode(place, line), place) for place, line in places]
    twice = next((found.id for found in outcomes if sum(one.id == found.id for one in outcomes) > 1), None)
    if twice is not None:
        raise BadInputError(str(path), f"fault {twice!r:.40} twice", "each outcome once", "name another file")
    return outcomes


def _line(value: object) -> bytes:
    return strict_json.encode("journal", value) + b"\n"
