"""A file, or a folder of files, that is there whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av

from ltx_port.errors import InputError


@contextmanager
def published(target: Path) -> Iterator[Path]:
    """Give the path of a temporary file or folder beside `target`, which takes its name when the block ends well.

    Until then what is there stays as it is. On any error, and on Ctrl-C, what was written is removed; a process that is
    killed outright leaves it under its hidden name. InputError where the target cannot be replaced.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        with system_errors(target):
            for path in (*partial.rglob("*"), partial):
                _flush(path)
            partial.replace(target)
            _flush(target.parent)
    except BaseException:
        # The first error says what happened.
        with suppress(OSError):
            _remove(partial)
        raise


@contextmanager
def system_errors(target: Path) -> Iterator[None]:
    """Turn errors of the operating system, and of libav, while writing `target` into one InputError."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        got = f"not written ({error.strerror or error})"
        raise InputError(str(target), got, "room and leave to write", "make room, or choose another place") from None


def require_file_target(target: Path) -> None:
    """Refuse, before anything long, a target whose folder is missing or that is a folder itself."""
    if not target.parent.is_dir():
        raise InputError(str(target.parent), "no such folder", "the folder to write to", "make it, or choose another")
    if target.is_dir():
        raise InputError(str(target), "a folder", "the name of a file", "choose another name")


def require_room(target: Path, needed: int) -> None:
    """Refuse, before anything long, a disk with less than `needed` bytes left."""
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        expected = f"{needed / 1e6:,.1f} MB, the most that it can take"
        raise InputError(
            str(target), f"{free / 1e6:,.1f} MB left on the disk", expected, "make room, or write elsewhere"
        )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial)
    else:
        partial.unlink(missing_ok=True)
