"""The lock file of the recorded dumps: which files belong here, and the hash of each."""

import hashlib
import json
import os
from pathlib import Path

from parity.errors import BadInputError, IncompleteError

LOCK_NAME = "LOCK.json"
SCHEMA = "ltx-parity/recorded/1"


def write_lock(folder: Path) -> dict[str, str]:
    """Hash every dump below `folder` and write the lock; gives the hashes by relative path."""
    found = {str(path.relative_to(folder)): _sha256(path) for path in sorted(folder.rglob("*.h5"))}
    partial = folder / f".{LOCK_NAME}.partial-{os.getpid()}"
    partial.write_text(json.dumps({"schema": SCHEMA, "sha256": found}, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / LOCK_NAME)
    return found


def read_lock(folder: Path) -> dict[str, str]:
    """Give the recorded hashes by relative path; BadInputError where the lock cannot be read."""
    path = folder / LOCK_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        hashes = document["sha256"]
        if document["schema"] != SCHEMA or not all(isinstance(value, str) for value in hashes.values()):
            raise ValueError("another schema")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInputError(
            str(path), f"unreadable ({error})", f"a lock file of schema {SCHEMA}", "record the dumps again"
        ) from None
    return {str(name): value for name, value in hashes.items()}


def locked(folder: Path, name: str) -> Path:
    """Give the path of a dump whose bytes are those that were recorded, else IncompleteError."""
    hashes, path = read_lock(folder), folder / name
    if name not in hashes or not path.is_file():
        got = "not in the lock file" if name not in hashes else "no such file"
        raise IncompleteError(str(path), got, "a recorded dump", "run tools/record_reference.py")
    if _sha256(path) != hashes[name]:
        raise IncompleteError(
            str(path), "its hash is not the recorded one", f"sha256 {hashes[name][:12]}...", "check it out again"
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
