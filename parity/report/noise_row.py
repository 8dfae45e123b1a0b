"""A band of noise as a row of JSON values, and back."""

import math
from collections.abc import Callable, Sequence

from parity.calibrate.reading import AGAINST, JUDGED
from parity.report.noise import Noise
from parity.report.strict import Fields, each, json_number, number, refusal, shown, whole

COLUMNS = ("against", "runs", "median", *(f"bound of {column}" for column in JUDGED))


def encode(noise: Noise) -> list[object]:
    """Give the values of COLUMNS."""
    return [AGAINST.index(noise.against), noise.runs, *map(json_number, (noise.median, *noise.bounds))]


def decode(value: object, where: str) -> Noise:
    """Read the values of COLUMNS; BadInputError for one below 0 or NaN, and a median above its bound."""
    row = Fields.of_row(value, where, COLUMNS)
    numbers = [row.read(name, _size) for name in COLUMNS[2:]]
    if numbers[0] > numbers[1]:
        raise refusal(where, f"median {numbers[0]!r:.40} above its bound {numbers[1]!r:.40}", "one within its bound")
    runs = row.read("runs", lambda v, w: whole(v, w, 1))
    return Noise(row.pick("against", AGAINST), runs, numbers[0], tuple(numbers[1:]))


def encode_places(found: Sequence[Noise | None], index: Callable[[Noise], int]) -> list[int] | None:
    """Give for each reading of a pass the number of its band, from 1 on, 0 without one; None where none has one."""
    if not any(found):
        return None
    return [0 if noise is None else 1 + index(noise) for noise in found]


def decode_places(value: object, where: str, bands: Sequence[Noise], count: int) -> tuple[Noise | None, ...]:
    """Read what `encode_places` gave for so many readings."""
    if value is None:
        return (None,) * count
    places = each(value, where, whole)
    if len(places) != count or not any(places) or max(places) > len(bands):
        expected = f"null, or for each of {count} readings 0 or one of {len(bands)} bands"
        raise refusal(where, f"{len(places)} numbers up to {max(places, default=0)!r:.40}", expected)
    return tuple(bands[place - 1] if place else None for place in places)


def _size(value: object, where: str) -> float:
    found = number(value, where)
    if math.isnan(found) or found < 0:
        raise refusal(where, shown(value), "a number of at least 0")
    return found
