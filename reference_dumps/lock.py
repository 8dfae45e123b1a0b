"""The lock file of the recorded dumps: which files belong here, and the hash of each."""

import hashlib
import json
import os
import re
from pathlib import Path, PurePosixPath

from parity.errors import BadInputError, IncompleteError
from parity.store import strict_json

LOCK_NAME = "LOCK.json"
SCHEMA = "ltx-parity/recorded/1"
_HEX = re.compile(r"[0-9a-f]{64}")


def write_lock(folder: Path) -> dict[str, str]:
    """Hash every dump and sketch below `folder` and write the lock; gives the hashes by relative path."""
    files = sorted([*folder.rglob("*.h5"), *folder.rglob("*.sketch.safetensors")])
    found = {str(path.relative_to(folder)): _sha256(path) for path in files}
    partial = folder / f".{LOCK_NAME}.partial-{os.getpid()}"
    partial.write_text(json.dumps({"schema": SCHEMA, "sha256": found}, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / LOCK_NAME)
    return found


def read_lock(folder: Path) -> dict[str, str]:
    """Give the recorded hashes by relative path; BadInputError where the lock cannot be read."""
    path = folder / LOCK_NAME
    try:
        document = strict_json.decode(str(path), path.read_bytes())
    except OSError as error:
        raise _refusal(path, f"unreadable ({error.strerror})") from None
    if not isinstance(document, dict) or document.keys() != {"schema", "sha256"} or document["schema"] != SCHEMA:
        raise _refusal(path, "another schema")
    hashes = document["sha256"]
    if not isinstance(hashes, dict):
        raise _refusal(path, f"sha256: a {type(hashes).__name__}")
    for name, value in hashes.items():
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        if not inside or not isinstance(value, str) or not _HEX.fullmatch(value):
            raise _refusal(path, f"{name!r:.80}: {value!r:.80}, where a name below the folder has a SHA-256")
    return hashes


def _refusal(path: Path, got: str) -> BadInputError:
    return BadInputError(str(path), got, f"a lock file of schema {SCHEMA}", "record the dumps again")


def locked(folder: Path, name: str) -> Path:
    """Give the path of a dump whose bytes are those that were recorded, else IncompleteError."""
    hashes, path = read_lock(folder), folder / name
    if name not in hashes or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        kinds = {"not in the lock file": name not in hashes, "no such file": not path.is_file()}
        got = next((kind for kind, holds in kinds.items() if holds), "a link out of the folder")
        raise IncompleteError(str(path), got, "a recorded dump", "run tools/record_reference.py")
    if _sha256(path) != hashes[name]:
        raise IncompleteError(
            str(path), "its hash is not the recorded one", f"sha256 {hashes[name][:12]}...", "check it out again"
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
