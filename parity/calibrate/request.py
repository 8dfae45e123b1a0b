"""What a calibration is asked for, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CalibrateRequest:
    """What `ltx-parity calibrate` asks for; empty tuples mean all that applies.

    At least `runs` runs of each case and precision are measured, in whole rounds of the ensemble, and kept below
    `output`, where the bands go too. `tighten`: propose budgets as well. `jobs` processes share the work.
    """

    output: Path
    stages: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    runs: int = 64
    jobs: int = 1
    tighten: bool = False


@dataclass(frozen=True)
class TightenedRow:
    """A budget row's allowance on one gate, before and after: (ratio, floor, ceiling)."""

    stage: str
    row: int
    gate: str
    before: tuple[float, float, float]
    after: tuple[float, float, float]


@dataclass(frozen=True)
class Calibration:
    """The files that were written by stage, how many runs are behind them, and what tightening changed."""

    bands: Mapping[str, Path]
    runs: int
    budgets: Mapping[str, Path]
    tightened: tuple[TightenedRow, ...] = ()
