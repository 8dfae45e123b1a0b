"""Numbers in words: figures as reports show them, and factors that somebody would recognise."""

import math
from collections.abc import Iterator

# Factors that are left out or applied twice in practice, beside whole numbers and powers of ten.
_NAMED = {
    math.pi: "pi",
    2 * math.pi: "2 pi",
    math.sqrt(2): "sqrt(2)",
    math.sqrt(3): "sqrt(3)",
    math.log(2): "ln 2, as between natural and binary logarithms",
    math.log(10): "ln 10, as between natural and decimal logarithms",
    math.e: "e",
    255.0: "255",
    127.5: "127.5",
    256.0: "256",
    32768.0: "32768",
}
_NAMED |= {float(whole): str(whole) for whole in range(2, 33)}
_NAMED |= {10.0**power: f"{10**power:,}" for power in range(2, 7)}


def shown(value: float) -> str:
    """Give a number with the digits that matter."""
    return f"{value:.6g}"


def recognised(factor: float, precision: float) -> Iterator[tuple[float, str]]:
    """Give the number that a factor is to some relative precision, with what it suggests; nothing if there is none."""
    for number, name in _NAMED.items():
        if abs(abs(factor) / number - 1) <= precision:
            yield math.copysign(number, factor), f"a factor of {name} too much"
        if abs(abs(factor) * number - 1) <= precision:
            yield math.copysign(1 / number, factor), f"a missing factor of {name}"


# How many factors would be recognised, of either sign.
RECOGNISED = 4 * len(_NAMED)
