"""Numbers and foreign text as tables show them."""

import math

NOTHING = "-"


def error_text(value: float | None) -> str:
    """Give an error to two significant digits, such as 3.1e-03; 0 as 0, what was not measured as a dash."""
    if value is None:
        return NOTHING
    return "0" if value == 0 else f"{value:.1e}" if math.isfinite(value) else str(value)


def usage_text(share: float) -> str:
    """Give a share of a budget in per cent; never 100% or less for a share above 1."""
    if not math.isfinite(share):
        return str(share)
    per_cent = math.ceil(share * 100) if share > 1 else round(share * 100)
    return f"{per_cent}%" if per_cent < 1000 else ">999%"


def share_text(share: float) -> str:
    """Give a share of a whole in per cent, to a tenth."""
    return f"{share:.1%}"


def gain_text(gain: float | None) -> str:
    """Give a factor to two digits after the point, in powers of ten where it is large."""
    if gain is None:
        return NOTHING
    return f"{gain:.2f}" if abs(gain) < 100 else f"{gain:.0e}"


def count_text(count: int) -> str:
    """Give a whole number with its thousands set apart."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """Give a number and its noun, in the plural but for 1."""
    return f"{count_text(count)} {noun}{'' if count == 1 else 's'}"


def plain(text: str) -> str:
    """Give foreign text on one line, with whatever does not print (control codes, bidi marks) escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text
    )
