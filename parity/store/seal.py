"""A digest in a JSON document over all the rest of it, which finds a figure that was changed and contradicts nothing.

It finds edits by hand, mixtures of two documents, and damage. It is no signature: it holds no secret, and whoever
computes it anew over other figures makes a document that is read.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from parity.errors import BadInputError
from parity.store import strict_json
from parity.store.refusal import shown

KEY = "digest"


def digest_of(document: Mapping[str, Any], where: str) -> str:
    """Give the SHA-256 of a document as compact JSON in UTF-8, its keys in their order and none called `digest`.

    BadInputError where it has no exact JSON form. White space in a file does not count; the order of keys does, for in
    tables of taps it is the order of the data path.
    """
    rest = {key: value for key, value in document.items() if key != KEY}
    return hashlib.sha256(strict_json.encode(where, rest)).hexdigest()


def sealed(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Give a document with its digest behind all else; BadInputError where it has no exact JSON form."""
    return {**document, KEY: digest_of(document, where)}


def encoded(document: Mapping[str, Any], where: str) -> bytes:
    """Give `sealed` as compact JSON, encoded once; the same error."""
    raw = strict_json.encode(where, unsealed(document))
    rest, _, _ = raw.rpartition(b"}")
    comma = b"" if rest == b"{" else b","
    return b'%b%b"%b":"%b"}' % (rest, comma, KEY.encode(), hashlib.sha256(raw).hexdigest().encode())


def unsealed(value: object) -> object:
    """Give a value without its digest, if it is a document that has one."""
    return {key: inner for key, inner in value.items() if key != KEY} if isinstance(value, dict) else value


def require_seal(value: object, where: str, next_step: str) -> None:
    """Refuse, with a BadInputError, what is no document, or has no digest, or another than the rest gives.

    Readers ask for it last: what a document contradicts itself in, they have named by then.
    """
    told = value.get(KEY) if isinstance(value, dict) else None
    if not isinstance(value, dict) or told is None:
        raise BadInputError(where, "no digest", "a document with a digest over the rest of it", next_step)
    found = digest_of(value, where)
    if told != found:
        expected = f"digest {found[:12]}..., over the rest of it"
        raise BadInputError(where, f"edited since it was written (digest {shown(told)})", expected, next_step)
