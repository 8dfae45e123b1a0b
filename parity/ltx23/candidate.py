"""The code that is judged: where it lies, and what tells one state of it from another."""

import hashlib
from importlib.util import find_spec
from pathlib import Path


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None, "the harness is installed with the port"
    assert spec.origin is not None, "the port is a package with an __init__"
    return Path(spec.origin).parent


PORT = _folder("ltx_port")


def fingerprint(folder: Path) -> str:
    """Say which Python files there are: their number, and the first 16 digits of a SHA-256 of names and contents."""
    digest, files = hashlib.sha256(), sorted(folder.rglob("*.py"))
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return f"sha256 {digest.hexdigest()[:16]} of {len(files)} files"
