"""JSON with one meaning: no repeated keys, no NaN, no text that two different strings could share."""

import json
import math
from typing import NoReturn

from parity.errors import BadInputError
from parity.store.refusal import one_line, shown, unreadable


def encode(where: str, value: object) -> bytes:
    """Return `value` as UTF-8 JSON, keys in the order given; BadInputError if it has no exact UTF-8 form."""
    try:
        # Escaped surrogates would let two different names decode to one: strict UTF-8 refuses them here.
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInputError(where, one_line(error), "values with an exact JSON form", "correct it") from error


def decode(where: str, raw: bytes) -> object:
    """Return the value of UTF-8 JSON; BadInputError for anything malformed or ambiguous, naming `where`."""
    try:
        return json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise unreadable(where, f"not strict JSON: {one_line(error)}") from error


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {shown(key)} twice")
        found[key] = value
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits:.40} is beyond float64")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
