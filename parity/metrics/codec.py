"""Records of numbers to JSON values and back, with nothing guessed on the way back."""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from parity.errors import BadInputError

Record = TypeVar("Record")

_NONFINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_REPAIR = "write it again with to_json"


# Evaluating annotations takes far longer than encoding a record, and a run encodes tens of thousands.
_FIELD_TYPES: dict[type, dict[str, Any]] = {}


def _field_types(record: type) -> dict[str, Any]:
    if record not in _FIELD_TYPES:
        hints = get_type_hints(record)
        _FIELD_TYPES[record] = {field.name: hints[field.name] for field in dataclasses.fields(record)}
    return _FIELD_TYPES[record]


def encode(value: Any) -> Any:
    """JSON value of a record, with "nan", "inf" and "-inf" for the numbers that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {repr(key): encode(item) for key, item in value.items()}
    return {name: encode(getattr(value, name)) for name in _field_types(type(value))}


def decode(record: type[Record], value: object, where: str) -> Record:
    """Record from its JSON value; raises `BadInputError` for a missing, extra or mistyped part."""
    if not isinstance(value, dict):
        raise BadInputError(where, f"a {type(value).__name__}", f"an object for {record.__name__}", _REPAIR)
    kinds = _field_types(record)
    if value.keys() != kinds.keys():
        missing, extra = sorted(kinds.keys() - value.keys()), sorted(map(str, value.keys() - kinds.keys()))
        raise BadInputError(where, f"missing {missing}, extra {extra}", f"the fields of {record.__name__}", _REPAIR)
    return record(**{name: _decode_as(kind, value[name], f"{where}.{name}") for name, kind in kinds.items()})


def _decode_as(kind: Any, value: object, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return decode(kind, value, where)  # type: ignore[arg-type]  # is_dataclass also admits instances
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _decode_as(arguments[0], value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode_as(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {
            _decode_key(arguments[0], key, where): _decode_as(arguments[1], item, f"{where}[{key}]")
            for key, item in value.items()
        }
    return _decode_scalar(kind, value, where)


def _decode_scalar(kind: Any, value: object, where: str) -> Any:
    if kind is float and isinstance(value, str) and value in _NONFINITE:
        return _NONFINITE[value]
    # A JSON writer may drop ".0", so a whole number stands for a float; a flag never stands for a number.
    if kind is float and type(value) in (int, float) and (number := _finite(value)) is not None:
        return number
    if kind is not float and type(value) is kind:
        return value
    expected = kind.__name__ if isinstance(kind, type) else str(kind)
    raise BadInputError(where, f"{value!r:.60}", expected, _REPAIR)


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        # A whole number of any length is valid JSON.
        return None
    # Nor is one that float64 has only nearly what was written.
    return number if math.isfinite(number) and number == value else None


def _decode_key(kind: Any, key: object, where: str) -> Any:
    try:
        read = kind(key)
    except (TypeError, ValueError):
        read = None
    # Python also reads " 1", "1_0" and other digits than these; what `encode` wrote is written again the same.
    if repr(read) != key:
        raise BadInputError(where, f"key {key!r:.60}", f"{kind.__name__} keys", _REPAIR)
    return read
