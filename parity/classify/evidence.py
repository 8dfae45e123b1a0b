"""What speaks for a class, in one sentence with the numbers."""

from collections.abc import Iterable, Mapping

from parity.calibrate.band import Band
from parity.calibrate.reading import LEVELS, TRUTH
from parity.classify.held import Held
from parity.errors import ParityError

_NAMES = {
    "relative_l2": "relative L2",
    "max_abs": "largest error",
    **{f"error_{level}": f"{100 * level:g}% quantile of the error" for level in LEVELS},
}
GAINS_SHOWN = 6


def identical(modes: Iterable[str]) -> str:
    """The reference's bits in every mode that was run."""
    return f"the reference's own bits, {_list(list(modes))}"


def within(held: Iterable[Held]) -> str:
    """Every reading within its band."""
    return "; ".join(f"{_reading(one)}, {_band(one.band)}" for one in held)


def bug(isolated: Held) -> str:
    """A step that makes more than noise."""
    return f"{_reading(isolated)}; {_band(isolated.band)}{_allowed(isolated.band)}"


def drift(chained: Held, isolated: Held, upstream: int, gains: Mapping[str, float]) -> str:
    """More than noise, and no step that makes it."""
    local = f"{_reading(isolated)} here is within noise, as at the {upstream} taps before"
    told = ", ".join(f"{group} {gain:.2f}" for group, gain in list(gains.items())[-GAINS_SHOWN:])
    return f"{_reading(chained)}; {_band(chained.band)}; {local}" + (f"; gain of blocks: {told}" if told else "")


def behind(chained: Held, isolated: Held, tap: str) -> str:
    """More than noise, from a bug upstream."""
    return f"{_reading(chained)}; {_band(chained.band)}; {_reading(isolated)} is within noise: from the bug at {tap}"


def not_isolated(chained: Held) -> str:
    """More than noise, and nothing that says where it was made."""
    return f"{_reading(chained)}; {_band(chained.band)}; not run isolated: drift cannot be told from a bug"


def unknown_upstream(chained: Held, tap: str) -> str:
    """More than noise behind a tap of which nothing can be told."""
    return f"{_reading(chained)}; {_band(chained.band)}; {tap} before it is incomplete: drift or bug cannot be told"


def no_band(error: ParityError) -> str:
    """Nothing to hold the reading against."""
    return f"{error.got} for {error.where}: not calibrated"


def nothing_read() -> str:
    """A tap that was not seen in a mode that tells."""
    return "not read chained, nor isolated"


def _reading(held: Held) -> str:
    return f"{_NAMES[held.band.figure]} {held.reading:.2g} {held.band.mode}"


def _band(band: Band) -> str:
    against = "" if band.against == TRUTH else " against the reference"
    if band.most == 0:
        return f"the ensemble of {band.runs} runs never had any{against}"
    return f"the ensemble of {band.runs} runs never exceeded {band.most:.2g}{against}"


def _allowed(band: Band) -> str:
    if band.floor >= band.ratio * band.most:
        return f", and one rounding makes {band.floor:.2g}"
    return f", and new runs up to {band.ratio:.3g} times that"


def _list(modes: list[str]) -> str:
    return modes[0] if len(modes) == 1 else f"{', '.join(modes[:-1])} and {modes[-1]}"
