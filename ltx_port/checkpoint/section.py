"""What all sections of a configuration share: strictness, and numbers that keep their kind."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator


class Section(BaseModel):
    """A JSON object in which each key must be present, known and of the right type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _number(value: object) -> float:
    # A message here says what was expected: `config.py` puts it into that part of the error.
    # pydantic's own float would turn 1000 into 1000.0, and the file could not be written back as it was.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    if not math.isfinite(value):
        raise ValueError("a finite number")
    return value


def _positive_number(value: object) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError("a number above zero")
    return number


Number = Annotated[int | float, PlainValidator(_number)]
"""A finite JSON number, int or float as the file has it."""

PositiveNumber = Annotated[int | float, PlainValidator(_positive_number)]
"""A finite JSON number above zero, int or float as the file has it."""

Count = Annotated[int, Field(ge=1)]
"""A whole number from 1 up."""

Depth = Annotated[int, Field(ge=1, le=512)]
"""How often something is built in a row: far more than any model has, and few enough to be built in a moment."""
