"""A folder that appears whole under its name, or not at all."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.errors import BadInputError
from parity.store.partial import TargetLock, flush
from parity.store.refusal import one_line


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a hidden folder beside the target to fill; it takes the target's name when the block ends undisturbed.

    Raises BadInputError where the target is a file or holds something, where another writer is at work on it, and for
    a disk that fails. What writers that died left beside the target is removed.
    """
    target = Path(os.path.abspath(target))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInputError(
            str(target), "exists already", "a new folder, or an empty one", "choose another, or remove it"
        )
    if not target.parent.is_dir():
        raise BadInputError(str(target), "no such parent folder", "a folder in one that exists", "make it first")
    lock, partial = TargetLock(target), target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        lock.acquire()
        try:
            _sweep(target)
            partial.mkdir()
            yield partial
            _flush_all(partial)
            os.replace(partial, target)
            flush(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            lock.release()
    except OSError as error:
        raise BadInputError(
            str(target), one_line(error), "room and leave to write", "see to it, run it again"
        ) from error


def _sweep(target: Path) -> None:
    pattern = re.compile(rf"\.{re.escape(target.name)}\.partial-\d+")
    for entry in list(target.parent.iterdir()):
        # The lock says that no other writer of this target is alive.
        if pattern.fullmatch(entry.name):
            shutil.rmtree(entry)


def _flush_all(folder: Path) -> None:
    for inside in [*folder.rglob("*"), folder]:
        flush(inside, os.O_RDONLY | os.O_DIRECTORY if inside.is_dir() else os.O_RDWR)
