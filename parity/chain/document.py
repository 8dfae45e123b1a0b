"""Records as JSON values."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


def encoded(value: Any) -> Any:
    """Give a record of dataclasses, mappings, tuples and numbers as JSON values; "inf" and "nan" as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if dataclasses.is_dataclass(value):
        return {field.name: encoded(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encoded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encoded(item) for item in value]
    return value
