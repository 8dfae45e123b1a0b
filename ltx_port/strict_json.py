"""JSON with one meaning: no key given twice, and no NaN or infinity."""

import json
from typing import Any, NoReturn


def parse(text: str) -> object:
    """Give the value of JSON text; ValueError, in one line, for anything malformed, ambiguous or nested too deeply."""
    try:
        return json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return seen


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
