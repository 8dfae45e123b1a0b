"""The kinds of fields that a certificate has, each as narrow as what is written there."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _in_utc(value: str) -> str:
    # A message here says what was expected; fromisoformat's own is a ValueError too.
    if datetime.fromisoformat(value).utcoffset() != timedelta(0):
        raise ValueError("a time in UTC")
    return value


Name = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.+]{1,64}$")]
"""A name that can be part of a file's name, without the `-` that joins names there."""

Text = Annotated[str, Field(pattern=r"^[ -~]{1,256}$")]
"""Some words on one line, in ASCII."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in hex."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""How many of something."""

Seconds = Annotated[float, Field(ge=0)]
"""A duration."""

Time = Annotated[str, AfterValidator(_in_utc)]
"""A moment in UTC, ISO 8601."""
