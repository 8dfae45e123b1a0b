"""Bands, runs and readings made by hand, which the tests of calibration and classes have in common."""

import numpy as np

from parity.calibrate.band import Bands
from parity.calibrate.bands_file import PLACES, BandsFile, Row, levels
from parity.calibrate.journal import Run, RunKey
from parity.calibrate.reading import AGAINST, COLUMNS, JUDGED
from parity.run.forward import Mode

MODES = tuple(mode.value for mode in Mode)


def cell(most):
    """Every figure at `most`, half of the readings at half of it."""
    return tuple(tuple(most * level for level in levels(column)) for column in JUDGED)


def row(tap, most=1e-3, dtype="bfloat16", runs=64, floor=0.0, **of_mode):
    """A row with the same most everywhere, but for the modes that are named."""
    cells = {(mode, against): cell(of_mode.get(mode.replace("-", "_"), most)) for mode, against in PLACES}
    return Row(tap, dtype, runs, (floor,) * len(JUDGED), cells)


def bands_file(*rows, ratio=1.0, cases=None, stage="toy"):
    dtypes = {one.dtype for one in rows} or {"bfloat16"}
    ratios = {dtype: {(*place, column): ratio for place in PLACES for column in JUDGED} for dtype in dtypes}
    found = cases if cases is not None else {"case": dict.fromkeys(sorted(dtypes), 64)}
    return BandsFile(stage, "1.0.0", {"torch": "2"}, found, ratios, tuple(rows))


def bands(*rows, **more):
    return Bands((bands_file(*rows, **more),))


def run(member, seed, readings, case="case", dtype="bfloat16", floors=0.0):
    """A run in which each tap reads one number everywhere, or an array of modes x AGAINST x COLUMNS."""
    shape = (len(Mode), len(AGAINST), len(COLUMNS))
    table = np.stack([np.broadcast_to(np.asarray(value, float), shape) for value in readings.values()], axis=1)
    key = RunKey("toy", case, dtype, "1.0.0", seed, member)
    return Run(key, tuple(readings), table, np.full((len(readings), len(COLUMNS)), floors))
