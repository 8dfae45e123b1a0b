"""TOML files that people write: catalogues, budgets, mappings, tables of operations."""

import tomllib
from pathlib import Path
from typing import Any

from parity.errors import BadInputError


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """Read a file; BadInputError, which calls it a `kind`, where it is missing or malformed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(str(path), error.strerror or "unreadable", f"a {kind}", "check the path") from error
    except RecursionError:
        raise BadInputError(str(path), "nested too deeply", f"a {kind}", "correct it") from None
    except ValueError as error:  # of TOML, of UTF-8, and of Python, for whole numbers of thousands of digits
        raise BadInputError(str(path), f"not TOML ({error})", f"a {kind}", "correct it") from error
