"""The identity of the port's code, so that a certificate is for the code that was judged and for no other."""

import hashlib
from pathlib import Path

PORT = Path(__file__).parents[1]


def port_sha256(folder: Path = PORT) -> str:
    """Give one hash over every Python file of the installed port: relative paths and bytes, in their order."""
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*.py")):
        content = path.read_bytes()
        # Both lengths are said, so that nothing can move from a name or a file into the next one.
        digest.update(f"{len(name.encode())} {len(content)} {name}".encode())
        digest.update(content)
    return digest.hexdigest()
