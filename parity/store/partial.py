"""One writer's claim on a target: a lock, a partial file beside it, and the step that makes it final."""

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from parity.errors import BadInputError

_LOCK_ATTEMPTS = 100


class TargetLock:
    """The right to write one target, held by an open file; the kernel drops it when the process dies.

    A lock that only exists as a file must be taken over from dead owners, and two takers can then undo each
    other. Here the file only names the owner; a leftover of a killed process is simply not locked any more.
    """

    def __init__(self, target: Path):
        self._target = target
        self._path = target.with_name(f".{target.name}.lock")
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock, or raise BadInputError naming the process that holds it."""
        for _ in range(_LOCK_ATTEMPTS):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                if self._try(descriptor):
                    self._descriptor = descriptor
                    return
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        raise self._refusal("a lock changing hands without end")

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if self._descriptor is None:
            return
        # Unlinked while still locked: whoever opened the file in between sees that it has lost its name.
        self._path.unlink(missing_ok=True)
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = None

    def _try(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "another process"
            raise self._refusal(f"a writer is at work ({owner})") from None
        if not self._still_named(descriptor):
            return False
        # The lock is held without it: a full disk is for the dump to find.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"pid {os.getpid()}\n".encode("ascii"), 0)
        return True

    def _still_named(self, descriptor: int) -> bool:
        try:
            named = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(descriptor))

    def _refusal(self, got: str) -> BadInputError:
        return BadInputError(str(self._target), got, "one writer at a time", "wait for it or write elsewhere")


class PartialFile:
    """The file a writer fills before its target exists; made final whole, or removed.

    `path` is the partial itself and `spool` a second scratch file; both lie in the target's folder, hidden,
    and with a suffix that no reader opens.
    """

    def __init__(self, target: Path):
        self.target = target
        self.path = target.with_name(f".{target.name}.partial-{os.getpid()}")
        self.spool = target.with_name(f".{target.name}.partial-{os.getpid()}-spool")
        self._lock = TargetLock(target)

    def claim(self) -> None:
        """Lock the target and remove what writers that died left beside it."""
        self._lock.acquire()
        try:
            self._sweep()
        except BaseException:
            self._lock.release()
            raise

    def publish(self) -> None:
        """Make the partial the target: flushed to the disk first, then renamed in one step."""
        self.spool.unlink(missing_ok=True)
        flush(self.path, os.O_RDWR)
        os.replace(self.path, self.target)
        flush(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
        self._lock.release()

    def discard(self) -> None:
        """Remove the partial, and leave the target as it was; nothing to do after a publication."""
        if not self._lock.held:
            # The names may by now belong to the next writer of this process.
            return
        self.spool.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self._lock.release()

    def _sweep(self) -> None:
        pattern = re.compile(rf"\.{re.escape(self.target.name)}\.partial-(\d+)(-spool)?")
        for entry in list(self.target.parent.iterdir()):
            found = pattern.fullmatch(entry.name)
            # Our own pid on an older file is a reused pid: the lock says that no other writer is here.
            if found and (int(found[1]) == os.getpid() or not _alive(int(found[1]))):
                entry.unlink(missing_ok=True)


def flush(path: Path, flags: int) -> None:
    """Have what was written to a file (or, for a folder, its names) on the disk."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
