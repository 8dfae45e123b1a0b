"""Importing `transformers`, which imports audio libraries too, where one of those is broken."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

_AUDIO = "torchaudio"


@contextmanager
def transformers_importable() -> Iterator[None]:
    """Keep a torchaudio that cannot be loaded out of the sight of what is imported inside the block.

    transformers imports it wherever it is installed, though text needs none of it, and fails where it was built for
    CUDA and torch was not.
    """
    if _AUDIO in sys.modules or find_spec(_AUDIO) is None or _loads():
        yield
        return
    # Python's own way to say that there is no such module.
    sys.modules[_AUDIO] = None  # type: ignore[assignment]
    try:
        # transformers may have been asked before, and remembers.
        importlib.import_module("transformers.utils.import_utils").is_torchaudio_available.cache_clear()
        yield
    finally:
        del sys.modules[_AUDIO]


def _loads() -> bool:
    try:
        importlib.import_module(_AUDIO)
    except OSError:
        # What the failed import left half-initialised must not be found by the next one.
        for name in [name for name in sys.modules if name.partition(".")[0] == _AUDIO]:
            del sys.modules[name]
        return False
    return True
