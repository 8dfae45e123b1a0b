"""What a JSON text says, told apart from what a reader made of it."""

import json
from collections.abc import Collection
from typing import Any

from fuzz.json_text import Table, parsed


def same_document(text: str, found: Any, apart_from: Collection[str] = ()) -> bool:
    """Whether a text says exactly what was read: every key once, every value, and kinds as they are."""
    one, other = (_without(parsed(given), apart_from) for given in (text, json.dumps(found)))
    return _plain(one) == _plain(other)


def _without(document: Any, keys: Collection[str]) -> Any:
    return Table(pair for pair in document if pair[0] not in keys) if isinstance(document, Table) else document


def _plain(value: Any) -> Any:
    """Give a value in which true is not 1, 1.0 is 1, and a repeated key is seen."""
    if isinstance(value, Table):
        return "object", sorted((key, repr(_plain(inner))) for key, inner in value)
    if isinstance(value, list):
        return "list", [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return "number", repr(int(value))
    return type(value).__name__ if not isinstance(value, int | float) or isinstance(value, bool) else "number", repr(
        value
    )
