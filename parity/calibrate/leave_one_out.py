"""By how much the most of an ensemble is exceeded by runs that it does not hold: each inputs left out in turn."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from parity.calibrate.bands_file import Ratios
from parity.calibrate.pooling import Pool
from parity.calibrate.reading import AGAINST, BIN, COLUMNS, FIGURES, JUDGED
from parity.run.forward import Mode

# How often one new round (other inputs, every member) may exceed a bound anywhere in a stage, for each mode and figure.
FALSE_ALARMS = 1e-3
# The tail of the ratios that is fitted: so many of them, or this share where that is more.
TAIL_LEAST, TAIL_SHARE = 20, 0.02

Numbers = npt.NDArray[np.float64]


def exceedances(pools: Sequence[Pool]) -> Numbers:
    """Give, for each tap and each inputs left out, the most with these inputs over the most of all others.

    Pools x inputs, one after the other, x modes x AGAINST x COLUMNS. Below its floor a reading is as good as the
    floor. A tap that was seen with one inputs alone has none to leave out.
    """
    found = []
    for pool in pools:
        seeds = np.unique(pool.seeds)
        if len(seeds) < 2:
            continue
        most = np.array([pool.table[pool.seeds == seed].max(axis=0) for seed in seeds])
        for left_out in range(len(seeds)):
            others = np.maximum(np.delete(most, left_out, axis=0).max(axis=0), pool.floor)
            found.append(_over(np.maximum(most[left_out], pool.floor), others))
    return np.array(found).reshape(-1, len(Mode), len(AGAINST), len(COLUMNS))


def floor_ratios(pools: Sequence[Pool]) -> Numbers:
    """Give for each of COLUMNS the multiple of the floors that new inputs exceed as rarely as FALSE_ALARMS.

    What one rounding may make depends on the largest elements, which other inputs have larger.
    """
    found = []
    for pool in pools:
        seeds = np.unique(pool.seeds)
        most = np.array([pool.floors[pool.seeds == seed].max(axis=0) for seed in seeds])
        for left_out in range(len(seeds) if len(seeds) > 1 else 0):
            others = np.delete(most, left_out, axis=0).max(axis=0)
            found.append(_over(most[left_out], others))
    sample, rarity = np.array(found).reshape(-1, len(COLUMNS)), FALSE_ALARMS / max(len(pools), 1)
    return np.array([extrapolated(sample[:, at], rarity) for at in range(len(COLUMNS))])


def _over(most: Numbers, others: Numbers) -> Numbers:
    ratio = np.ones_like(most)
    np.divide(most, others, out=ratio, where=others > 0)
    # Nothing was allowed, and something was seen.
    ratio[(others == 0) & (most > 0)] = math.inf
    return ratio


def ratios(pools: Sequence[Pool]) -> Ratios:
    """Give for each (mode, against, column) the multiple of the most that new runs exceed as rarely as FALSE_ALARMS.

    A share of the elements is read off a histogram: the same error may read as the next bin.
    """
    found, rarity = exceedances(pools), FALSE_ALARMS / max(len(pools), 1)
    least = {column: 1.0 if column in FIGURES else BIN for column in JUDGED}
    return {
        (mode.value, against, column): max(extrapolated(found[:, m, a, COLUMNS.index(column)], rarity), least[column])
        for m, mode in enumerate(Mode)
        for a, against in enumerate(AGAINST)
        for column in JUDGED
    }


def extrapolated(sample: Numbers, rarity: float) -> float:
    """Give what a share `rarity` of the population exceeds, and never less than the largest of the sample or 1.

    The logarithms of the largest ratios are taken to fall off exponentially (Hill's estimator of a power law's
    index): with N ratios, k of them above r, and a mean logarithm of ratio over r of xi, a share p exceeds
    r * (k / (N * p)) ** xi.
    """
    ordered = np.sort(sample[np.isfinite(sample)])[::-1]
    if ordered.size == 0:
        return 1.0
    count = min(max(TAIL_LEAST, math.ceil(TAIL_SHARE * ordered.size)), ordered.size - 1)
    threshold = max(float(ordered[count]), 1.0)
    tail = ordered[:count][ordered[:count] > threshold]
    if tail.size == 0:
        return max(1.0, float(ordered[0]))
    index = float(np.log(tail / threshold).mean())
    reach = max(tail.size / (ordered.size * rarity), 1.0)
    return max(1.0, float(ordered[0]), float(threshold * reach**index))
