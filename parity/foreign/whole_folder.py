"""A folder that appears whole under its name, or not at all."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.errors import BadInputError
from parity.store.partial import TargetLock
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
            _flush(partial)
            os.replace(partial, target)
            _flush_folder(target.parent)
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


def _flush(folder: Path) -> None:
    for inside in folder.rglob("*"):
        if inside.is_file():
            descriptor = os.open(inside, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    for inside in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        _flush_folder(inside)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
