"""What `transformers` and `tokenizers` make of the files of a Gemma root that are not as published, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltx_port import strict_json
from ltx_port.errors import InputError
from ltx_port.text.gemma_weights import GEMMA_ROOT

_MOST_CHARACTERS = 200
_EXPECTED = "a file of Gemma 3 as published"


@contextmanager
def library_refusals(path: Path) -> Iterator[None]:
    """Turn whatever the libraries raise over a file into one InputError: they promise no kind of error."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except BaseException as error:
        # What Rust calls a panic is no Exception, and of a class that nobody can import.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        got = f"unusable ({type(error).__name__} {' '.join(str(error).split()):.{_MOST_CHARACTERS}})"
        raise InputError(str(path), got, _EXPECTED, GEMMA_ROOT) from error


def require_object(path: Path) -> dict[str, object]:
    """Read a file that must be one JSON object, each key once; InputError where it is not."""
    try:
        document = strict_json.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"unreadable ({error})", _EXPECTED, GEMMA_ROOT) from None
    if not isinstance(document, dict):
        raise InputError(str(path), f"a {type(document).__name__}", _EXPECTED, GEMMA_ROOT)
    return document
