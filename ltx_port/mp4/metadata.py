"""Texts about a clip, kept in its file."""

from collections.abc import Mapping
from pathlib import Path

import av

from ltx_port.errors import InputError

# The container's own, of which the last but one is a time and not a text.
_RESERVED = {"major_brand", "minor_version", "compatible_brands", "creation_time", "encoder"}


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuse keys and values that an MP4 would not give back as they are."""
    seen: set[str] = set()
    for key, value in metadata.items():
        if not key or key.lower() in _RESERVED or key.lower() in seen:
            expected = f"one name, not one of {', '.join(sorted(_RESERVED))}, once whether in capitals or not"
            raise InputError("metadata", f"the key {key!r}", expected, "choose another key")
        seen.add(key.lower())
        for text in (key, value):
            if "\0" in text or _unencodable(text):
                raise InputError(f"metadata {key!r}", "a text with NUL or half a character", "UTF-8", "take it out")


def read_metadata(path: Path) -> dict[str, str]:
    """Give the texts that were written into an MP4; InputError where it cannot be read."""
    try:
        with av.open(str(path)) as container:
            found = dict(container.metadata)
    except (OSError, ValueError, av.FFmpegError) as error:
        got = f"unreadable ({' '.join(str(getattr(error, 'strerror', None) or error).split())})"
        raise InputError(str(path), got, "an MP4 file", "give the path of a clip") from None
    return {key: value for key, value in found.items() if key not in _RESERVED}


def _unencodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
